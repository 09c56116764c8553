#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "plugin/registry/http_head.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

// Whatever text reaches a head, it ends no line: the head has the lines that it should have.
void FuzzHttpHead(absl::string_view bytes) {
  HttpResponse response;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(bytes, absl::MaxSplits('|', 1));
  response.status = bytes.size() % 2 == 0 ? 404 : 200;
  response.reason = std::string(parts.first);
  response.headers = {{"Location", std::string(parts.second)}, {"ETag", std::string(bytes)}};
  HttpHeadContext context;
  context.keep_alive = bytes.size() % 3 != 0;
  context.body_bytes = bytes.size();
  context.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  const std::string head = FormatHttpHead(response, context);

  std::vector<std::string> lines = absl::StrSplit(head, "\r\n");
  STOWAGE_FUZZ_CHECK(lines.size() == (context.keep_alive ? 7 : 8));
  STOWAGE_FUZZ_CHECK(absl::StartsWith(lines[0], absl::StrCat("HTTP/1.1 ", response.status, " ")));
  STOWAGE_FUZZ_CHECK(lines[1] == absl::StrCat("Date: ", context.date));
  STOWAGE_FUZZ_CHECK(absl::StartsWith(lines[2], "Location: "));
  STOWAGE_FUZZ_CHECK(absl::StartsWith(lines[3], "ETag: "));
  STOWAGE_FUZZ_CHECK(lines[4] == absl::StrCat("Content-Length: ", bytes.size()));
  STOWAGE_FUZZ_CHECK(lines[lines.size() - 2].empty() && lines.back().empty());
  for (const std::string& line : lines)
    for (const unsigned char c : line) STOWAGE_FUZZ_CHECK(c >= ' ' && c != 0x7f);
}

STOWAGE_FUZZ_TARGET(http_head, FuzzHttpHead);

}  // namespace
}  // namespace stowage
