#include "plugin/cli/image_names.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

struct Case {
  std::string typed;
  std::string canonical;
  std::string tag;
  std::vector<std::string> all;  // the first is ctr's
  std::string cri;
};

TEST_CASE("NamesForReference writes typed and canonical names under both hosts",
          "[cli][image_names]") {
  const Case c = GENERATE(values<Case>({
      {"nix/git",
       "git",
       "latest",
       {"nix/git:latest", "nix.local/git:latest"},
       "nix.local/git:latest"},
      {"nix/git:latest",
       "nix/git",
       "latest",
       {"nix/git:latest", "nix.local/git:latest"},
       "nix.local/git:latest"},
      {"git:v1", "git", "v1", {"nix/git:v1", "nix.local/git:v1"}, "nix.local/git:v1"},
      {"nix.local/git",
       "git",
       "latest",
       {"nix.local/git:latest", "nix/git:latest"},
       "nix.local/git:latest"},
      {"nix/shell/htop/git",
       "shell/git/htop",
       "latest",
       {"nix/shell/htop/git:latest", "nix/shell/git/htop:latest", "nix.local/shell/htop/git:latest",
        "nix.local/shell/git/htop:latest"},
       "nix.local/shell/htop/git:latest"},
      // CRI takes no upper case.
      {"nix/python3Packages.requests",
       "python3packages.requests",
       "latest",
       {"nix/python3Packages.requests:latest", "nix/python3packages.requests:latest",
        "nix.local/python3packages.requests:latest"},
       "nix.local/python3packages.requests:latest"},
      {"Nix/Git:V1",
       "git",
       "V1",
       {"Nix/Git:V1", "nix/git:V1", "nix.local/git:V1"},
       "nix.local/git:V1"},
      // docker.io is not ours.
      {"docker.io/nix/git:v1", "git", "v1", {"nix/git:v1", "nix.local/git:v1"}, "nix.local/git:v1"},
      {"nix/zlib/nix",
       "zlib/nix",
       "latest",
       {"nix/zlib/nix:latest", "nix.local/zlib/nix:latest"},
       "nix.local/zlib/nix:latest"},
      {"nix/git", "git", "", {"nix/git:latest", "nix.local/git:latest"}, "nix.local/git:latest"},
      {"nix/a--b_c__d.e",
       "a--b_c__d.e",
       "latest",
       {"nix/a--b_c__d.e:latest", "nix.local/a--b_c__d.e:latest"},
       "nix.local/a--b_c__d.e:latest"},
      {"nix/a___b",
       "a--x5f",
       "latest",
       {"nix/a___b:latest", "nix/a--x5f:latest", "nix.local/a--x5f:latest"},
       "nix.local/a--x5f:latest"},
  }));
  INFO(c.typed);
  const ImageNames names = NamesForReference(c.typed, c.canonical, c.tag, "default");
  CHECK(names.all == c.all);
  CHECK(names.ctr == c.all.front());
  CHECK(names.cri == c.cri);
}

TEST_CASE("NamesForReference writes only what CRI can keep in CRI's namespace",
          "[cli][image_names]") {
  const Case c = GENERATE(values<Case>({
      {"nix/git", "git", "latest", {"nix.local/git:latest"}, ""},
      {"nix/shell/htop/git",
       "shell/git/htop",
       "v1",
       {"nix.local/shell/htop/git:v1", "nix.local/shell/git/htop:v1"},
       ""},
      {"nix.local/Git", "git", "latest", {"nix.local/git:latest"}, ""},
      {"Nix/Git:V1", "git", "V1", {"nix.local/git:V1"}, ""},
  }));
  INFO(c.typed);
  const ImageNames names = NamesForReference(c.typed, c.canonical, c.tag, "k8s.io");
  CHECK(names.all == c.all);
  CHECK(names.ctr == c.all.front());
  CHECK(names.cri == c.all.front());
}

}  // namespace
}  // namespace stowage
