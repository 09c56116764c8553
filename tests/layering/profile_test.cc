#include "layering/profile.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::SyntheticStore;
using Type = ProfileEntry::Type;

const std::string kBash = SyntheticStore::BaseName('b', "bash-5.2");
const std::string kCoreutils = SyntheticStore::BaseName('c', "coreutils-9.1");
const std::string kNano = SyntheticStore::BaseName('n', "nano-7");
const std::string kVim = SyntheticStore::BaseName('v', "vim-9");

Profile Compose(const SyntheticStore& store, const std::vector<std::string>& packages) {
  auto profile = ComposeProfile({.store_directory = store.path(), .packages = packages});
  REQUIRE_OK(profile);
  return *std::move(profile);
}

// "l TARGET", "f CONTENT" or "d MODE"; "" if there is no such entry.
std::string At(const Profile& profile, const std::string& path) {
  const auto entry = std::find_if(profile.entries.begin(), profile.entries.end(),
                                  [&](const ProfileEntry& e) { return e.path == path; });
  if (entry == profile.entries.end()) return "";
  if (entry->type == Type::kDirectory) return absl::StrCat("d ", absl::Hex(entry->mode));
  return absl::StrCat(entry->type == Type::kSymlink ? "l " : "f ", entry->content);
}

std::string Directory(uint32_t mode) { return absl::StrCat("d ", absl::Hex(mode)); }
std::string LinkTo(const std::string& below_store) { return "l /nix/store/" + below_store; }

TEST_CASE("A profile without packages has the directories and files a program expects",
          "[layering][profile]") {
  const SyntheticStore store;
  const Profile profile = Compose(store, {});
  std::vector<std::string> paths;
  for (const ProfileEntry& entry : profile.entries) paths.push_back(entry.path);
  CHECK(paths == std::vector<std::string>{"dev", "etc", "etc/group", "etc/nsswitch.conf",
                                          "etc/passwd", "proc", "root", "run", "sys", "tmp", "var",
                                          "var/tmp"});
  CHECK(At(profile, "tmp") == Directory(01777));
  CHECK(At(profile, "var/tmp") == Directory(01777));
  CHECK(At(profile, "root") == Directory(0700));
  CHECK(At(profile, "dev") == Directory(0755));
  CHECK(At(profile, "etc/passwd") ==
        "f root:x:0:0:root:/root:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
  CHECK(At(profile, "etc/group") == "f root:x:0:\nnobody:x:65534:\nnogroup:x:65534:\n");
  CHECK(At(profile, "etc/nsswitch.conf") == "f hosts: files dns\n");
  CHECK(profile.conflicts.empty());
}

TEST_CASE("Top-level directories are real and hold links into the store", "[layering][profile]") {
  const SyntheticStore store;
  store.File(kNano + "/bin/nano", "", true);
  store.File(kNano + "/share/doc/nano/README");
  store.File(kNano + "/share/ma\xe4n\n");
  store.Directory(kNano + "/include");
  store.File(kNano + "/nix-support/propagated");
  store.File(kNano + "/LICENSE");
  store.Symlink(kNano + "/sbin", "bin");
  store.Symlink(kNano + "/lib", "/nix/store/" + kVim + "/lib");
  store.File(kVim + "/lib/libvim.so");
  const Profile profile = Compose(store, {kNano});
  CHECK(At(profile, "bin") == Directory(0755));
  CHECK(At(profile, "bin/nano") == LinkTo(kNano + "/bin/nano"));
  CHECK(At(profile, "share/doc") == LinkTo(kNano + "/share/doc"));
  CHECK(At(profile, "share/ma\xe4n\n") == LinkTo(kNano + "/share/ma\xe4n\n"));
  CHECK(At(profile, "include") == Directory(0755));
  CHECK(At(profile, "sbin") == Directory(0755));
  CHECK(At(profile, "sbin/nano") == LinkTo(kNano + "/sbin/nano"));
  CHECK(At(profile, "lib/libvim.so") == LinkTo(kNano + "/lib/libvim.so"));
  CHECK(At(profile, "nix-support") == "");
  CHECK(At(profile, "LICENSE") == "");
}

TEST_CASE("Directories of several packages are merged as deep as both have them",
          "[layering][profile]") {
  const SyntheticStore store;
  store.File(kNano + "/share/man/man1/nano.1");
  store.File(kNano + "/share/nano/syntax");
  store.File(kVim + "/share/man/man1/vim.1");
  store.File(kVim + "/share/man/man5/vimrc.5");
  store.Symlink(kBash + "/share", "real-share");
  store.Symlink(kBash + "/real-share/man", "../man-pages");
  store.File(kBash + "/man-pages/man1/bash.1");
  const Profile profile = Compose(store, {kNano, kVim, kBash});
  CHECK(At(profile, "share/nano") == LinkTo(kNano + "/share/nano"));
  CHECK(At(profile, "share/man") == Directory(0755));
  CHECK(At(profile, "share/man/man1") == Directory(0755));
  CHECK(At(profile, "share/man/man1/nano.1") == LinkTo(kNano + "/share/man/man1/nano.1"));
  CHECK(At(profile, "share/man/man1/vim.1") == LinkTo(kVim + "/share/man/man1/vim.1"));
  CHECK(At(profile, "share/man/man1/bash.1") == LinkTo(kBash + "/share/man/man1/bash.1"));
  CHECK(At(profile, "share/man/man5") == LinkTo(kVim + "/share/man/man5"));
  CHECK(profile.conflicts.empty());
}

TEST_CASE("The first package named wins and the loss is reported", "[layering][profile]") {
  const SyntheticStore store;
  const std::string other_nano = SyntheticStore::BaseName('m', "nano-7");
  store.File(kNano + "/bin/vi");
  store.File(kVim + "/bin/vi");
  store.File(other_nano + "/bin/vi");
  store.File(kVim + "/share/x/below");
  store.File(kNano + "/share/x");
  store.File(kVim + "/share/li\nne");
  store.File(kNano + "/share/li\nne");
  const Profile nano_first = Compose(store, {kNano, kVim, other_nano});
  CHECK(At(nano_first, "bin/vi") == LinkTo(kNano + "/bin/vi"));
  CHECK(At(nano_first, "share/x") == LinkTo(kNano + "/share/x"));
  CHECK(nano_first.conflicts ==
        std::vector<std::string>{"bin/vi: nano-7 kept, vim-9 ignored",
                                 absl::StrCat("bin/vi: ", kNano, " kept, ", other_nano, " ignored"),
                                 "share/li\\nne: nano-7 kept, vim-9 ignored",
                                 "share/x: nano-7 kept, vim-9 ignored"});
  const Profile vim_first = Compose(store, {kVim, kNano});
  CHECK(At(vim_first, "bin/vi") == LinkTo(kVim + "/bin/vi"));
  CHECK(At(vim_first, "share/x") == LinkTo(kVim + "/share/x"));
  CHECK(vim_first.key != nano_first.key);
}

TEST_CASE("The same file by two ways is no conflict", "[layering][profile]") {
  const SyntheticStore store;
  store.File(kNano + "/bin/nano");
  store.File(kNano + "/share/nano/syntax");
  store.Symlink(kNano + "/bin/outside", "/run/current/outside");
  store.Symlink(kVim + "/bin/nano", "/nix/store/" + kNano + "/bin/nano");
  store.Symlink(kVim + "/bin/outside", "/run/current/outside");
  store.Symlink(kVim + "/share", "../" + kNano + "/share");
  const Profile profile = Compose(store, {kVim, kNano, kVim});
  CHECK(profile.conflicts.empty());
  CHECK(At(profile, "bin/nano") == LinkTo(kVim + "/bin/nano"));
  CHECK(At(profile, "bin/outside") == LinkTo(kVim + "/bin/outside"));
  CHECK(At(profile, "share/nano") == LinkTo(kVim + "/share/nano"));
}

TEST_CASE("Links in circles end the merge", "[layering][profile]") {
  const SyntheticStore store;
  for (const std::string& package : {kNano, kVim}) {
    store.File(package + "/share/" + package);
    store.Symlink(package + "/share/again", ".");
    store.Symlink(package + "/share/circle", "circle");
    store.Symlink(package + "/share/sub/up", "..");
  }
  const Profile profile = Compose(store, {kNano, kVim});
  CHECK(At(profile, "share/again") == LinkTo(kNano + "/share/again"));
  CHECK(At(profile, "share/circle") == LinkTo(kNano + "/share/circle"));
  CHECK(At(profile, "share/sub") == Directory(0755));
  CHECK(At(profile, "share/sub/up") == LinkTo(kNano + "/share/sub/up"));
  CHECK(profile.conflicts.size() == 3);
}

TEST_CASE("Directories multiplied by links beyond any sense are refused", "[layering][profile]") {
  const SyntheticStore store;
  for (int level = 0; level < 6; ++level) {
    const std::string directory = absl::StrCat("/share/", level, "/");
    for (const std::string& package : {kNano, kVim})
      for (const char* name : {"a", "b", "c", "d"})
        store.Symlink(package + directory + name, absl::StrCat("../", level + 1));
    for (int i = 0; i < 100; ++i) store.Symlink(absl::StrCat(kNano, directory, i), "nowhere");
  }
  store.Directory(kNano + "/share/6");
  store.Directory(kVim + "/share/6");
  const absl::Status status =
      ComposeProfile({.store_directory = store.path(), .packages = {kNano, kVim}}).status();
  CHECK(absl::IsResourceExhausted(status));
}

TEST_CASE("What the container runtime owns is not taken from packages", "[layering][profile]") {
  const SyntheticStore store;
  for (const char* name : {"dev", "nix", "proc", "run", "sys", "tmp", "var/tmp", "var/lib"})
    store.File(absl::StrCat(kNano, "/", name, "/x"));
  const Profile profile = Compose(store, {kNano});
  for (const char* name : {"dev/x", "nix", "proc/x", "run/x", "sys/x", "tmp/x", "var/tmp/x"})
    CHECK(At(profile, name) == "");
  CHECK(At(profile, "var/lib") == LinkTo(kNano + "/var/lib"));
  CHECK(profile.conflicts.size() == 6);
  CHECK(profile.conflicts.front() == "dev: nano-7 ignored, it belongs to the container runtime");
}

TEST_CASE("A package that is no directory gives nothing and is reported", "[layering][profile]") {
  const SyntheticStore store;
  store.File(kNano);
  store.Symlink(kVim, kBash);
  store.File(kBash + "/bin/bash");
  const Profile profile = Compose(store, {kNano, kVim});
  CHECK(profile.conflicts == std::vector<std::string>{"/: nano-7 ignored, it is not a directory"});
  CHECK(At(profile, "bin/bash") == LinkTo(kVim + "/bin/bash"));
}

TEST_CASE("bin/sh and usr/bin/env are there when packages have what they need",
          "[layering][profile]") {
  const SyntheticStore store;
  store.File(kBash + "/bin/bash");
  store.File(kCoreutils + "/bin/env");
  store.File(kVim + "/bin/sh");
  store.File(kVim + "/usr/bin/vim");
  const Profile both = Compose(store, {kBash, kCoreutils});
  CHECK(At(both, "bin/sh") == LinkTo(kBash + "/bin/bash"));
  CHECK(At(both, "usr/bin") == Directory(0755));
  CHECK(At(both, "usr/bin/env") == "l /bin/env");
  const Profile with_sh = Compose(store, {kBash, kVim, kCoreutils});
  CHECK(At(with_sh, "bin/sh") == LinkTo(kVim + "/bin/sh"));
  CHECK(At(with_sh, "usr/bin") == Directory(0755));
  CHECK(At(with_sh, "usr/bin/vim") == LinkTo(kVim + "/usr/bin/vim"));
  CHECK(At(with_sh, "usr/bin/env") == "l /bin/env");
  store.File(kNano + "/bin/nano");
  const Profile neither = Compose(store, {kNano});
  CHECK(At(neither, "bin/sh") == "");
  CHECK(At(neither, "usr") == "");
}

TEST_CASE("A package's own accounts and name service are kept", "[layering][profile]") {
  const SyntheticStore store;
  store.File(kNano + "/etc/passwd", "own");
  store.Symlink(kNano + "/etc/group", "/run/dangling");
  store.File(kNano + "/root/.profile");
  const Profile profile = Compose(store, {kNano});
  CHECK(At(profile, "etc/passwd") == LinkTo(kNano + "/etc/passwd"));
  CHECK(At(profile, "etc/group") == LinkTo(kNano + "/etc/group"));
  CHECK(At(profile, "etc/nsswitch.conf") == "f hosts: files dns\n");
  CHECK(At(profile, "root") == Directory(0700));
  CHECK(At(profile, "root/.profile") == LinkTo(kNano + "/root/.profile"));
}

TEST_CASE("The certificate bundle has both usual names", "[layering][profile]") {
  const SyntheticStore store;
  const std::string cacert = SyntheticStore::BaseName('c', "nss-cacert-3.9");
  store.File(cacert + "/etc/ssl/certs/ca-bundle.crt", "certificates");
  SECTION("the second is added beside the first") {
    const Profile profile = Compose(store, {cacert});
    CHECK(At(profile, "etc/ssl/certs") == Directory(0755));
    for (const char* name : {"ca-bundle.crt", "ca-certificates.crt"})
      CHECK(At(profile, absl::StrCat("etc/ssl/certs/", name)) ==
            LinkTo(cacert + "/etc/ssl/certs/ca-bundle.crt"));
  }
  SECTION("a package that has both is left as it is") {
    store.File(cacert + "/etc/ssl/certs/ca-certificates.crt", "certificates");
    CHECK(At(Compose(store, {cacert}), "etc/ssl") == LinkTo(cacert + "/etc/ssl"));
  }
}

TEST_CASE("Packages that are missing or misnamed are refused", "[layering][profile]") {
  const SyntheticStore store;
  const auto code = [&](const std::string& package) {
    return ComposeProfile({.store_directory = store.path(), .packages = {package}}).status().code();
  };
  CHECK(code(kNano) == absl::StatusCode::kNotFound);
  CHECK(code("../" + kNano) == absl::StatusCode::kInvalidArgument);
  CHECK(ComposeProfile({.store_directory = store.Join("none"), .packages = {}}).status().code() ==
        absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace stowage
