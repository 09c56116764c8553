#include "plugin/registry/range_header.h"

#include <string>
#include <tuple>

#include "tests/support/catch.h"

namespace stowage {
namespace {

using Kind = ByteRange::Kind;

TEST_CASE("ResolveRange follows RFC 9110 for a body of 1000 bytes", "[registry]") {
  const auto [header, kind, begin, end] = GENERATE(table<std::string, Kind, uint64_t, uint64_t>({
      {"", Kind::kWhole, 0, 0},
      {"bytes=0-0", Kind::kPart, 0, 1},
      {"bytes=0-999", Kind::kPart, 0, 1000},
      {"bytes=0-5000", Kind::kPart, 0, 1000},
      {"bytes=999-", Kind::kPart, 999, 1000},
      {"bytes=0-", Kind::kPart, 0, 1000},
      {"BYTES = 5-9 ", Kind::kPart, 5, 10},
      {"bytes=-1", Kind::kPart, 999, 1000},
      {"bytes=-1000", Kind::kPart, 0, 1000},
      {"bytes=-99999", Kind::kPart, 0, 1000},
      {"bytes=0-18446744073709551615", Kind::kPart, 0, 1000},
      {"bytes=0-99999999999999999999999", Kind::kPart, 0, 1000},
      {"bytes=-99999999999999999999999", Kind::kPart, 0, 1000},
      {"bytes=1000-", Kind::kUnsatisfiable, 0, 0},
      {"bytes=99999999999999999999999-", Kind::kUnsatisfiable, 0, 0},
      {"bytes=1000-1001", Kind::kUnsatisfiable, 0, 0},
      {"bytes=-0", Kind::kUnsatisfiable, 0, 0},
      {"bytes=9-5", Kind::kUnsatisfiable, 0, 0},
      {"bytes=-", Kind::kUnsatisfiable, 0, 0},
      {"bytes=", Kind::kUnsatisfiable, 0, 0},
      {"bytes", Kind::kUnsatisfiable, 0, 0},
      {"bytes=a-b", Kind::kUnsatisfiable, 0, 0},
      {"bytes=1--2", Kind::kUnsatisfiable, 0, 0},
      {"bytes=+1-2", Kind::kUnsatisfiable, 0, 0},
      {"bytes=1-2x", Kind::kUnsatisfiable, 0, 0},
      {"junk", Kind::kUnsatisfiable, 0, 0},
      {"lines=1-2", Kind::kWhole, 0, 0},
      {"bytes=0-1,5-6", Kind::kWhole, 0, 0},
  }));
  INFO(header);
  const ByteRange range = ResolveRange(header, 1000);
  CHECK(range.kind == kind);
  CHECK(range.begin == begin);
  CHECK(range.end == end);
}

TEST_CASE("ResolveRange finds nothing in an empty body", "[registry]") {
  const std::string header = GENERATE("bytes=0-", "bytes=0-0", "bytes=-1");
  CHECK(ResolveRange(header, 0).kind == Kind::kUnsatisfiable);
}

}  // namespace
}  // namespace stowage
