#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/file.h"
#include "layering/layer_archive.h"
#include "layering/profile.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::SyntheticStore;
using testing::TemporaryDirectory;

// Two packages that meet everything the composition knows.
Profile SyntheticProfile() {
  const SyntheticStore store;
  const std::string bash = SyntheticStore::BaseName('b', "bash-5.2");
  const std::string tools = SyntheticStore::BaseName('c', "tools-1");
  store.File(bash + "/bin/bash");
  store.File(bash + "/share/man/man1/bash.1");
  store.File(tools + "/bin/env");
  store.File(tools + "/share/man/man1/env.1");
  store.File(tools + "/share/odd \xe4\n");
  store.File(tools + "/etc/ssl/certs/ca-bundle.crt");
  store.Symlink(tools + "/sbin", "bin");
  auto profile = ComposeProfile({.store_directory = store.path(), .packages = {bash, tools}});
  REQUIRE_OK(profile);
  return *std::move(profile);
}

TEST_CASE("The profile layer of a synthetic store is frozen", "[layering][profile]") {
  const Profile profile = SyntheticProfile();
  CHECK(profile.key.hex() == "6d0b1f1a1048585053735e808bda3d5c94974c6701535a64f502ba7f49d7df50");
  const TemporaryDirectory directory;
  const mode_t umask_before = ::umask(GENERATE(0, 077));
  const absl::Status written = WriteProfile(profile, directory.Join("profile"));
  (void)::umask(umask_before);  // cannot fail
  REQUIRE_OK(written);
  const auto archive = LayerArchive::ForDirectory(directory.Join("profile"));
  REQUIRE_OK(archive);
  const auto digest = archive->Hash({});
  REQUIRE_OK(digest);
  CHECK(digest->diff_id.hex() ==
        "cb8888ff79d0abf83f428b5546e5be074e969c41887982e21a4944fd9d9004c1");
}

TEST_CASE("WriteProfile makes what the entries say, with times of 1", "[layering][profile]") {
  const Profile profile = SyntheticProfile();
  const TemporaryDirectory directory;
  REQUIRE_OK(WriteProfile(profile, directory.Join("profile")));
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"profile"});
  for (const ProfileEntry& entry : profile.entries) {
    INFO(entry.path);
    const std::string path = directory.Join("profile/" + entry.path);
    struct stat status;
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == 1);
    CHECK(status.st_mtim.tv_nsec == 0);
    CHECK((status.st_mode & 07777) == entry.mode);
    if (entry.type == ProfileEntry::Type::kSymlink)
      CHECK(ReadLinkAt(AT_FDCWD, path).value() == entry.content);
    if (entry.type == ProfileEntry::Type::kFile) CHECK(ReadFile(path).value() == entry.content);
    CHECK(S_ISDIR(status.st_mode) == (entry.type == ProfileEntry::Type::kDirectory));
  }
  struct stat top;
  REQUIRE(::stat(directory.Join("profile").c_str(), &top) == 0);
  CHECK((top.st_mode & 07777) == 0755);
  CHECK(top.st_mtime == 1);
}

TEST_CASE("WriteProfile never touches what exists and leaves nothing behind",
          "[layering][profile]") {
  const Profile profile = SyntheticProfile();
  const TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("profile")));
  CHECK(absl::IsAlreadyExists(WriteProfile(profile, directory.Join("profile"))));
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"profile"});
  CHECK(ListDirectory(directory.Join("profile")).value().empty());
  CHECK(absl::IsNotFound(WriteProfile(profile, directory.Join("none/profile"))));
  Profile impossible = profile;
  impossible.entries.push_back({"no/parent/file", ProfileEntry::Type::kFile, 0644, "x"});
  CHECK(absl::IsNotFound(WriteProfile(impossible, directory.Join("other"))));
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"profile"});
}

TEST_CASE("A profile can be made again from its text", "[layering][profile]") {
  const Profile profile = SyntheticProfile();
  const std::string text = EncodeProfile(profile);
  const auto decoded = DecodeProfile(text);
  REQUIRE_OK(decoded);
  CHECK(decoded->entries == profile.entries);
  CHECK(decoded->key == profile.key);
}

TEST_CASE("A damaged text of a profile is refused", "[layering][profile]") {
  const std::string text = EncodeProfile(SyntheticProfile());
  const auto damaged = GENERATE_COPY(
      std::string(), text.substr(1), text.substr(0, text.size() - 1), text + "x",
      std::string("stowage profile 1\nq 493 1 0\nb"), std::string("stowage profile 1\nd -1 1 0\nb"),
      std::string("stowage profile 1\nd 493 1 18446744073709551615\nb"));
  CHECK(absl::IsDataLoss(DecodeProfile(damaged).status()));
}

}  // namespace
}  // namespace stowage
