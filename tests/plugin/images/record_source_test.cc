#include "plugin/images/record_source.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/match.h"
#include "base/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("ReadCredentials makes a header of one line", "[plugin][record_source]") {
  const testing::TemporaryDirectory directory;
  const std::string file = directory.Join("credentials");
  const auto [text, header] = GENERATE(table<std::string, std::string>({
      {"Aladdin:open sesame\n", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},  // RFC 7617, 2
      {"user:", "Basic dXNlcjo="},
      {"bearer abc.def\n", "Bearer abc.def"},
      {"", ""},
      {"\n", ""},
      {"no colon", ""},
      {":password", ""},
      {"bearer ", ""},
      {"user:pass\nX-Header: 1\n", ""},
      {"bearer a\r\nX-Header: 1", ""},
      {"user:\x7f", ""},
  }));
  REQUIRE_OK(WriteFileAtomically(file, text, 0600));
  const auto read = ReadCredentials(file);
  if (!header.empty()) {
    REQUIRE_OK(read);
    CHECK(*read == header);
    return;
  }
  CHECK(absl::IsInvalidArgument(read.status()));
  CHECK(absl::StrContains(read.status().message(), file));
  CHECK_FALSE(absl::StrContains(read.status().message(), "pass"));
}

TEST_CASE("ReadCredentials wants a file that not everybody may read", "[plugin][record_source]") {
  const testing::TemporaryDirectory directory;
  const std::string file = directory.Join("credentials");
  REQUIRE_OK(WriteFileAtomically(file, "user:password\n", 0644));
  CHECK(absl::IsFailedPrecondition(ReadCredentials(file).status()));
  REQUIRE(::chmod(file.c_str(), 0640) == 0);
  REQUIRE_OK(ReadCredentials(file));
  CHECK(absl::IsNotFound(ReadCredentials(directory.Join("none")).status()));
}

TEST_CASE("FetchRecord names the server that it cannot reach", "[plugin][record_source]") {
  const auto received = FetchRecord({"http://127.0.0.1:1", "", ""}, "hello", "latest",
                                    {absl::Now() + absl::Seconds(5), std::stop_token()});
  CHECK(absl::IsUnavailable(received.status()));
  CHECK(absl::StrContains(received.status().message(), "http://127.0.0.1:1/v2/nix/hello"));
}

}  // namespace
}  // namespace stowage
