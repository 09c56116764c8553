#include "layering/profile_archive.h"

#include <functional>

#include "absl/strings/match.h"
#include "layering/layer_archive.h"
#include "layering/tar_header.h"
#include "tests/layering/collecting_sink.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::SyntheticStore;
using Type = ProfileEntry::Type;

const std::string kBash = SyntheticStore::BaseName('b', "bash-5.2");
const std::string kTools = SyntheticStore::BaseName('c', "tools");

std::string TarOf(const Profile& profile) {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteProfile(profile, directory.Join("profile")));
  const auto archive = LayerArchive::ForDirectory(directory.Join("profile"));
  REQUIRE_OK(archive);
  testing::CollectingSink sink;
  REQUIRE_OK(archive->Emit(0, archive->size_bytes(), sink));
  return sink.content;
}

Profile Composed() {
  const SyntheticStore store;
  store.File(kBash + "/bin/bash", "", true);
  store.File(kTools + "/bin/env", "", true);
  store.File(kTools + "/share/" + std::string(200, 'l') + "/" + std::string(150, 'n'));
  store.File(kBash + "/share/" + std::string(200, 'l') + "/other");
  store.File(kTools + "/etc/ssl/certs/ca-bundle.crt");
  store.File(kTools + "/share/\xC3\xA9");
  auto profile = ComposeProfile({.store_directory = store.path(), .packages = {kBash, kTools}});
  REQUIRE_OK(profile);
  return *std::move(profile);
}

// A tar of entries with any paths, which need not be a valid one of a directory.
std::string Tar(const std::vector<TarEntry>& entries) {
  std::string tar;
  for (const TarEntry& entry : entries) AppendTarHeader(entry, &tar);
  return tar + std::string(kTarTrailerBytes, '\0');
}

TarEntry Directory(absl::string_view path) {
  return {TarEntry::Type::kDirectory, 0755, path, 0, {}};
}
TarEntry Link(absl::string_view path) { return {TarEntry::Type::kSymlink, 0777, path, 0, "/etc"}; }

TEST_CASE("ReadProfileArchive reads the tar of a composed profile", "[layering][profile_archive]") {
  const Profile composed = Composed();
  const std::string tar = TarOf(composed);
  const auto read = ReadProfileArchive(tar);
  REQUIRE_OK(read);
  CHECK(read->entries == composed.entries);
  CHECK(read->key == composed.key);
  CHECK(TarOf(*read) == tar);
  REQUIRE_OK(CheckProfile(*read, {kBash, kTools}));
}

TEST_CASE("ReadProfileArchive refuses a tar with any byte changed", "[layering][profile_archive]") {
  const Profile composed = Composed();
  const std::string tar = TarOf(composed);
  for (size_t at = 0; at < tar.size(); at += at % kTarBlockBytes < 300 ? 1 : 37) {
    std::string changed = tar;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto read = ReadProfileArchive(changed);
    INFO(at);
    // The content of a file may differ, and means another profile.
    if (!read.ok()) continue;
    CHECK(read->key != composed.key);
    CHECK(TarOf(*read) == changed);
  }
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{511}, size_t{1024}, tar.size() - 1,
                             tar.size() - 512, tar.size() / 2})
    CHECK(absl::IsInvalidArgument(ReadProfileArchive(tar.substr(0, bytes)).status()));
  CHECK(absl::IsInvalidArgument(ReadProfileArchive(tar + '\0').status()));
}

TEST_CASE("ReadProfileArchive takes no path that leads elsewhere or twice to one place",
          "[layering][profile_archive]") {
  const auto entries = GENERATE(values<std::vector<TarEntry>>({
      {Link("../x")},
      {Link("/x")},
      {Link("a/../../x")},
      {Link("./x")},
      {Directory("a/"), Directory("a//")},
      {Directory("/")},
      {Directory("./")},
      {Link("a/b")},
      {Link("a"), Link("a/b")},
      {Link("a"), Directory("a/")},
      {Link("a"), Link("a")},
      {Directory("a/"), Link("b"), Link("a/c")},
      {Link("b"), Link("a")},
      {Directory("a/"), Link("a/c"), Link("a/b")},
      {Directory("a/"), Directory("a/b/"), Link("b/c")},
      {{TarEntry::Type::kSymlink, 0777, "x", 0, ""}},
      {{TarEntry::Type::kDirectory, 0755, "x", 0, ""}},
      {{TarEntry::Type::kFile, 0644, "x", 1 << 20, ""}},
      {{TarEntry::Type::kFile, 0644, "x", uint64_t{1} << 40, ""}},
  }));
  CHECK(absl::IsInvalidArgument(ReadProfileArchive(Tar(entries)).status()));
}

TEST_CASE("ReadProfileArchive takes no other kinds of entries", "[layering][profile_archive]") {
  const char type = GENERATE('1', '3', '4', '6', '7', 'x', 'g', 'L', 'K', 'S', '\0');
  std::string tar = Tar({{TarEntry::Type::kFile, 0644, "x", 0, ""}});
  tar[156] = type;
  CHECK(absl::IsInvalidArgument(ReadProfileArchive(tar).status()));
}

TEST_CASE("CheckProfile takes only what is composed of these packages",
          "[layering][profile_archive]") {
  Profile profile = Composed();
  const auto [entry, right] = GENERATE(table<ProfileEntry, bool>({
      {{"bin/x", Type::kSymlink, 0777, "/nix/store/" + kTools + "/bin/x"}, true},
      {{"bin/x", Type::kSymlink, 0777, "/nix/store/" + kTools}, true},
      {{"bin/x", Type::kSymlink, 0777, "/nix/store/" + kTools + "x/bin/x"}, false},
      {{"bin/x", Type::kSymlink, 0777, "/nix/store/" + kTools + "/../x"}, false},
      {{"bin/x", Type::kSymlink, 0777, "/nix/store/../../etc/shadow"}, false},
      {{"bin/x", Type::kSymlink, 0777, "/etc/shadow"}, false},
      {{"bin/x", Type::kSymlink, 0777, "x"}, false},
      {{"usr/bin/env", Type::kSymlink, 0777, "/bin/env"}, true},
      {{"bin/x", Type::kSymlink, 0777, "/bin/env"}, false},
      {{"bin/x", Type::kFile, 0755, "#!/bin/sh"}, false},
      {{"etc/passwd", Type::kFile, 0644, "root::0:0::/:/bin/sh\n"}, false},
      {{"etc/nsswitch.conf", Type::kFile, 0644, "hosts: files dns\n"}, true},
      {{"etc/nsswitch.conf", Type::kFile, 04755, "hosts: files dns\n"}, false},
      {{"x", Type::kDirectory, 0755, ""}, true},
      {{"x", Type::kDirectory, 0777, ""}, false},
      {{"tmp", Type::kDirectory, 01777, ""}, true},
      {{"tmp", Type::kDirectory, 0755, ""}, false},
  }));
  profile.entries = {entry};
  INFO(entry.path << " " << entry.content);
  CHECK(CheckProfile(profile, {kBash, kTools}).ok() == right);
}

}  // namespace
}  // namespace stowage
