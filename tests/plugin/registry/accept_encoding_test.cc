#include "plugin/registry/accept_encoding.h"

#include <string>

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("ChooseContentCoding takes the named coding with the highest q", "[registry]") {
  const auto [header, want] = GENERATE(table<std::string, ContentCoding>({
      {"", ContentCoding::kIdentity},
      {"gzip", ContentCoding::kGzip},
      {"GZIP", ContentCoding::kGzip},
      {"x-gzip", ContentCoding::kGzip},
      {"zstd", ContentCoding::kZstd},
      {"gzip, zstd", ContentCoding::kZstd},
      {"zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", ContentCoding::kZstd},
      {"zstd;q=0.5, gzip;q=0.8", ContentCoding::kGzip},
      {"gzip;q=0", ContentCoding::kIdentity},
      {"gzip;q=0.000, zstd;q=0", ContentCoding::kIdentity},
      {"gzip ; q=0.001", ContentCoding::kGzip},
      {"gzip;q=1.001", ContentCoding::kIdentity},
      {"gzip;q=0.1234", ContentCoding::kIdentity},
      {"gzip;q=high", ContentCoding::kIdentity},
      {"gzip;q=", ContentCoding::kIdentity},
      {"gzip;q=.5", ContentCoding::kIdentity},
      {"identity, gzip;q=0.5", ContentCoding::kIdentity},
      {"identity;q=0, gzip;q=0.1", ContentCoding::kGzip},
      {"identity;q=0.5, gzip;q=0.5", ContentCoding::kGzip},
      {"*", ContentCoding::kIdentity},
      {"deflate, br", ContentCoding::kIdentity},
      {",, ,gzip,", ContentCoding::kGzip},
      {";;;", ContentCoding::kIdentity},
      {"gzip;level=9;q=0", ContentCoding::kIdentity},
  }));
  INFO(header);
  CHECK(ChooseContentCoding(header) == want);
}

}  // namespace
}  // namespace stowage
