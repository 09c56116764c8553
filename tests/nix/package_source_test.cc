#include "nix/package_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "nix/revision_cache.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

PackageSourceOptions Options(PackageSourceKind kind, const std::string& location) {
  PackageSourceOptions options;
  options.kind = kind;
  options.location = location;
  options.cache_directory = "/nonexistent";
  return options;
}

TEST_CASE("PackageSource describes itself", "[nix][package_source]") {
  CHECK((*PackageSource::Create(Options(PackageSourceKind::kPath, "/x")))->Describe() == "path /x");
  CHECK((*PackageSource::Create(Options(PackageSourceKind::kGit, "https://h/r")))->Describe() ==
        "git https://h/r");
  CHECK((*PackageSource::Create(Options(PackageSourceKind::kChannel, "nixos-24.11")))->Describe() ==
        "channel nixos-24.11 of https://channels.nixos.org");
}

TEST_CASE("PackageSource refuses options that cannot work", "[nix][package_source]") {
  PackageSourceOptions options = GENERATE(
      Options(PackageSourceKind::kPath, ""), Options(PackageSourceKind::kPath, "relative"),
      Options(PackageSourceKind::kGit, ""), Options(PackageSourceKind::kGit, "--upload-pack=x"),
      Options(PackageSourceKind::kChannel, "../x"), Options(PackageSourceKind::kChannel, "a b"));
  INFO(options.location);
  CHECK(absl::IsInvalidArgument(PackageSource::Create(options).status()));
}

TEST_CASE("PackageSource refuses bad URLs, refs and cache directories", "[nix][package_source]") {
  PackageSourceOptions options = Options(PackageSourceKind::kChannel, "c");
  options.channel_base_url = "file:///etc";
  CHECK(absl::IsInvalidArgument(PackageSource::Create(options).status()));
  options = Options(PackageSourceKind::kChannel, "c");
  options.channel_revision_url = "https://h/fixed";
  CHECK(absl::IsInvalidArgument(PackageSource::Create(options).status()));
  options = Options(PackageSourceKind::kGit, "https://h/r");
  options.git_default_ref = "--x";
  CHECK(absl::IsInvalidArgument(PackageSource::Create(options).status()));
  options.git_default_ref = "release/24.11";
  CHECK(PackageSource::Create(options).ok());
  options.cache_directory = "relative";
  CHECK(absl::IsInvalidArgument(PackageSource::Create(options).status()));
}

TEST_CASE("A path source has the tag latest only", "[nix][package_source]") {
  const auto source = *PackageSource::Create(Options(PackageSourceKind::kPath, "/x"));
  CHECK(*source->ResolveTag("latest", {}) == "");
  const absl::Status status = source->ResolveTag("v1", {}).status();
  CHECK(absl::IsNotFound(status));
  CHECK(absl::StrContains(status.message(), "no tag 'v1' in package set path /x"));
}

TEST_CASE("A path source gives the real path of a directory or file", "[nix][package_source]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("set")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("set/default.nix"), "{}"));
  REQUIRE(::symlink("set", directory.Join("link").c_str()) == 0);
  const auto source =
      *PackageSource::Create(Options(PackageSourceKind::kPath, directory.Join("link")));
  const auto set = source->Fetch("", nullptr, {});
  REQUIRE_OK(set);
  CHECK(set->set_path == directory.Join("set"));
  CHECK(set->mutable_content);
  CHECK(set->id.empty());
  const auto file =
      *PackageSource::Create(Options(PackageSourceKind::kPath, directory.Join("link/default.nix")));
  CHECK(file->Fetch("", nullptr, {})->set_path == directory.Join("set/default.nix"));
}

TEST_CASE("A path source says that there is no package set", "[nix][package_source]") {
  const testing::TemporaryDirectory directory;
  const auto [name, reason] = GENERATE(table<std::string, std::string>(
      {{"gone", "No such file or directory"}, {".", "default.nix is no file"}}));
  const auto source =
      *PackageSource::Create(Options(PackageSourceKind::kPath, directory.Join(name)));
  const absl::Status status = source->Fetch("", nullptr, {}).status();
  CHECK(absl::IsFailedPrecondition(status));
  INFO(status.message());
  CHECK(absl::StrContains(status.message(), reason));
}

TEST_CASE("RevisionCache publishes whole trees and finds them", "[nix][revision_cache]") {
  const testing::TemporaryDirectory directory;
  const RevisionCache cache(directory.Join("c"), 2);
  const std::string revision(40, 'a');
  CHECK_FALSE(cache.Find(revision));
  for (int round = 0; round < 2; ++round) {  // the second finds the first one's
    const auto workspace = cache.MakeWorkspace();
    REQUIRE_OK(workspace);
    REQUIRE_OK(MakeDirectories(workspace->path() + "/tree"));
    CHECK(
        absl::IsFailedPrecondition(cache.Publish(workspace->path() + "/tree", revision).status()));
    REQUIRE_OK(WriteFileAtomically(workspace->path() + "/tree/default.nix", "{}"));
    CHECK(*cache.Publish(workspace->path() + "/tree", revision) == directory.Join("c/" + revision));
  }
  CHECK(*cache.Find(revision) == directory.Join("c/" + revision));
  CHECK(*ListDirectory(directory.Join("c")) == std::vector<std::string>{revision});
  CHECK_FALSE(cache.Find(".."));
}

TEST_CASE("RevisionCache lets go of old revisions, but not of those in use",
          "[nix][revision_cache]") {
  const testing::TemporaryDirectory directory;
  const RevisionCache cache(directory.path(), 2);
  const auto publish = [&](char name, int hours_ago) {
    const auto workspace = cache.MakeWorkspace();
    REQUIRE_OK(workspace);
    REQUIRE_OK(MakeDirectories(workspace->path() + "/tree"));
    REQUIRE_OK(WriteFileAtomically(workspace->path() + "/tree/default.nix", "{}"));
    const auto path = cache.Publish(workspace->path() + "/tree", std::string(40, name));
    REQUIRE_OK(path);
    const timespec used = absl::ToTimespec(absl::Now() - absl::Hours(hours_ago));
    const timespec times[2] = {used, used};
    REQUIRE(::utimensat(AT_FDCWD, path->c_str(), times, 0) == 0);
  };
  publish('a', 5);
  publish('b', 6);
  publish('c', 0);
  publish('d', 0);
  CHECK(*ListDirectory(directory.path()) ==
        std::vector<std::string>{std::string(40, 'c'), std::string(40, 'd')});
  publish('e', 0);
  CHECK(ListDirectory(directory.path())->size() == 3);
}

TEST_CASE("IsRevision knows full commit ids", "[nix][revision_cache]") {
  CHECK(IsRevision("0123456789abcdef0123456789abcdef01234567"));
  CHECK_FALSE(IsRevision("0123456789abcdef0123456789abcdef0123456"));
  CHECK_FALSE(IsRevision("0123456789ABCDEF0123456789abcdef01234567"));
  CHECK_FALSE(IsRevision(""));
}

}  // namespace
}  // namespace stowage
