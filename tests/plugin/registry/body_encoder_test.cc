#include "plugin/registry/body_encoder.h"

#include "tests/plugin/registry/decode_body.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

std::string Noise(size_t size) {
  std::string noise(size, '\0');
  uint32_t state = 1;
  for (char& c : noise) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return noise;
}

TEST_CASE("BodyEncoder's output decodes to its input", "[registry]") {
  const ContentCoding coding = GENERATE(ContentCoding::kGzip, ContentCoding::kZstd);
  const size_t piece = GENERATE(size_t{1}, size_t{1000}, size_t{1} << 20);
  const std::string input = GENERATE(std::string(), std::string("x"), std::string(70000, 'a'),
                                     Noise(5000) + std::string(5000, 'b') + Noise(3));
  auto encoder = BodyEncoder::Create(coding);
  REQUIRE_OK(encoder);
  std::string output;
  for (size_t i = 0; i < input.size(); i += piece)
    REQUIRE_OK((*encoder)->Encode(absl::string_view(input).substr(i, piece), false, output));
  REQUIRE_OK((*encoder)->Encode("", true, output));
  CHECK(testing::DecodeBody(output, coding) == input);
}

TEST_CASE("BodyEncoder makes a layer's text smaller", "[registry]") {
  const ContentCoding coding = GENERATE(ContentCoding::kGzip, ContentCoding::kZstd);
  auto encoder = BodyEncoder::Create(coding);
  std::string output;
  REQUIRE_OK((*encoder)->Encode(std::string(size_t{4} << 20, 'a'), true, output));
  CHECK(output.size() < 100000);
}

TEST_CASE("BodyEncoder knows no identity", "[registry]") {
  CHECK(absl::IsInvalidArgument(BodyEncoder::Create(ContentCoding::kIdentity).status()));
}

}  // namespace
}  // namespace stowage
