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

}  // namespace
}  // namespace stowage
