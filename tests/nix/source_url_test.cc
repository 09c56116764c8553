#include "nix/source_url.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("WithoutCredentials takes user name and password out of a URL", "[nix][source_url]") {
  CHECK(WithoutCredentials("https://user:to%40ken@host:8443/a@b.git") ==
        "https://host:8443/a@b.git");
  CHECK(WithoutCredentials("https://to@ken@host/x") == "https://host/x");
  CHECK(WithoutCredentials("https://host/x@y") == "https://host/x@y");
  CHECK(WithoutCredentials("/srv/a@b") == "/srv/a@b");
  CHECK(WithoutCredentials("git@host:x.git") == "git@host:x.git");
}

TEST_CASE("PublicUrlOf is empty for what only this machine knows", "[nix][source_url]") {
  CHECK(PublicUrlOf("https://u:p@host/x.git") == "https://host/x.git");
  CHECK(PublicUrlOf("ssh://git@host/x.git") == "ssh://host/x.git");
  CHECK(PublicUrlOf("/srv/packages").empty());
  CHECK(PublicUrlOf("file:///srv/packages").empty());
}

TEST_CASE("CheckServerUrl takes servers that can show who they are", "[nix][source_url]") {
  const auto [url, right] = GENERATE(table<std::string, bool>({
      {"https://stowage.example", true},
      {"https://stowage.example:8443", true},
      {"https://10.1.2.3", true},
      {"https://[fd00::1]:443", true},
      {"http://127.0.0.1:5080", true},
      {"http://[::1]", true},
      {"http://localhost:80", true},
      {"http://stowage.example", false},
      {"http://127.0.0.1.example", false},
      {"http://localhost.example:80", false},
      {"http://10.1.2.3", false},
      {"https://", false},
      {"https://user:password@stowage.example", false},
      {"http://localhost@stowage.example", false},
      {"http://localhost:80@stowage.example", false},
      {"https://stowage.example/", false},
      {"https://stowage.example/path", false},
      {"https://stowage.example?x", false},
      {"https://stowage.example:0", false},
      {"https://stowage.example:65536", false},
      {"https://stowage.example:+1", false},
      {"https://stowage.example:", false},
      {"https://stowage example", false},
      {"https://stowage.example\n", false},
      {"https://[fd00::1", false},
      {"https://[abc", false},
      {"https://[]", false},
      {"ftp://stowage.example", false},
      {"stowage.example", false},
      {"", false},
  }));
  INFO(url);
  CHECK(CheckServerUrl(url).ok() == right);
}

}  // namespace
}  // namespace stowage
