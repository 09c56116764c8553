#include "plugin/registry/layer_body.h"

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "plugin/registry/encoded_layer_body.h"
#include "tests/plugin/registry/decode_body.h"
#include "tests/plugin/registry/test_layer.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

// Takes at most `room` bytes between two calls of Refill.
class NarrowWriter : public BodyWriter {
 public:
  explicit NarrowWriter(size_t room) : size_(room), room_(room) {}
  void Refill() { room_ = size_; }

  absl::StatusOr<uint64_t> Send(absl::string_view bytes, bool /*more*/) override {
    const size_t count = std::min(room_, bytes.size());
    room_ -= count;
    content.append(bytes.data(), count);
    return count;
  }
  absl::StatusOr<uint64_t> SendFile(int fd, uint64_t offset, uint64_t size) override {
    std::string bytes(std::min<uint64_t>(room_, size), '\0');
    const absl::Status read = PreadExactly(fd, bytes.data(), bytes.size(), offset, "file");
    if (!read.ok()) return read;
    return Send(bytes, true);
  }

  std::string content;

 private:
  const size_t size_;
  size_t room_;
};

absl::Status Drive(BodyStream& body, NarrowWriter& writer) {
  for (int i = 0; i < 1000000; ++i) {
    const absl::StatusOr<bool> done = body.Continue(writer);
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
    writer.Refill();
  }
  return absl::InternalError("the body never ends");
}

std::string Unchunk(const std::string& chunked) {
  std::string body;
  for (size_t i = 0;;) {
    const size_t size = std::stoul(chunked.substr(i), nullptr, 16);
    i = chunked.find("\r\n", i) + 2;
    body += chunked.substr(i, size);
    REQUIRE(chunked.substr(i + size, 2) == "\r\n");
    i += size + 2;
    if (size == 0) {
      CHECK(i == chunked.size());
      return body;
    }
  }
}

TEST_CASE("A layer body gives every range, however often the socket is full", "[registry]") {
  const testing::TestLayer layer;
  const size_t room = GENERATE(size_t{700}, size_t{65536}, size_t{100} << 20);
  const uint64_t size = layer.content().size();
  const auto [begin, end] = GENERATE_COPY(table<uint64_t, uint64_t>(
      {{0, size}, {1, size - 1}, {5000, 5001}, {size - 1, size}, {300000, 600000}}));
  const auto body = MakeLayerBody(layer.archive(), begin, end);
  CHECK(body->size_bytes() == end - begin);
  NarrowWriter writer(room);
  REQUIRE_OK(Drive(*body, writer));
  CHECK(writer.content == layer.content().substr(begin, end - begin));
}

TEST_CASE("An encoded layer body decodes to the layer, however often the socket is full",
          "[registry]") {
  const testing::TestLayer layer;
  const size_t room = GENERATE(size_t{700}, size_t{100} << 20);
  const ContentCoding coding = GENERATE(ContentCoding::kGzip, ContentCoding::kZstd);
  const auto in_use = std::make_shared<std::atomic<int>>(0);
  auto body = MakeEncodedLayerBody(layer.archive(), coding, EncoderPlace::Take(in_use, 1));
  REQUIRE_OK(body);
  CHECK(*in_use == 1);
  CHECK((*body)->size_bytes() == std::nullopt);
  NarrowWriter writer(room);
  REQUIRE_OK(Drive(**body, writer));
  CHECK(testing::DecodeBody(Unchunk(writer.content), coding) == layer.content());
  body->reset();
  CHECK(*in_use == 0);
}

TEST_CASE("A file that has changed its size is DataLoss and nothing is padded", "[registry]") {
  const testing::TestLayer layer;
  layer.Resize("small/99", 1);
  NarrowWriter plain(size_t{100} << 20);
  const auto body = MakeLayerBody(layer.archive(), 0, layer.content().size());
  CHECK(absl::IsDataLoss(Drive(*body, plain)));
  CHECK(plain.content == layer.content().substr(0, plain.content.size()));
  CHECK(plain.content.size() < layer.content().size());

  NarrowWriter coded(size_t{100} << 20);
  auto encoded = MakeEncodedLayerBody(layer.archive(), ContentCoding::kGzip, nullptr);
  REQUIRE_OK(encoded);
  CHECK(absl::IsDataLoss(Drive(**encoded, coded)));
}

TEST_CASE("EncoderPlace keeps the limit", "[registry]") {
  const auto in_use = std::make_shared<std::atomic<int>>(0);
  auto first = EncoderPlace::Take(in_use, 2);
  const auto second = EncoderPlace::Take(in_use, 2);
  CHECK(second != nullptr);
  CHECK(EncoderPlace::Take(in_use, 2) == nullptr);
  first.reset();
  CHECK(EncoderPlace::Take(in_use, 2) != nullptr);
  CHECK(EncoderPlace::Take(in_use, 0) == nullptr);
}

}  // namespace
}  // namespace stowage
