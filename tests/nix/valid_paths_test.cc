#include "nix/valid_paths.h"

#include <fcntl.h>
#include <sys/file.h>

#include <optional>
#include <set>
#include <vector>

#include "base/directory.h"
#include "base/file.h"
#include "nix/realisation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const StorePath kHello = *StorePath::FromBaseName("0ndvnvgl9r1ggv9pmblcvs7a5h6dfc0q-hello-2.10");
const StorePath kGit = *StorePath::FromBaseName("1ndvnvgl9r1ggv9pmblcvs7a5h6dfc0q-git-2.39");

class KnownPaths : public ClosureReader {
 public:
  absl::StatusOr<Closure> Read(absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::Status CheckPathsValid(absl::Span<const StorePath> paths) override {
    if (!failure.ok()) return failure;
    for (const StorePath& path : paths)
      if (!valid.contains(path.base_name())) return absl::NotFoundError(path.ToString());
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath>) override {
    return absl::UnimplementedError("not asked for");
  }
  std::set<std::string> valid;
  absl::Status failure;
};

struct Fixture {
  testing::TemporaryDirectory directory;
  NixOptions options;
  KnownPaths closures;
  std::string link = directory.Join("roots/resolving/1/root");

  Fixture() { options.state_directory = directory.path(); }
  absl::StatusOr<bool> Root() { return RootValidPaths({kHello, kGit}, link, options, closures); }
  bool HasLinks() const { return DirectoryExists(directory.Join("roots/resolving/1")); }
};

TEST_CASE_METHOD(Fixture, "RootValidPaths links what is valid", "[nix][valid_paths]") {
  closures.valid = {kHello.base_name(), kGit.base_name()};
  const auto rooted = Root();
  REQUIRE_OK(rooted);
  CHECK(*rooted);
  CHECK(ReadLinkAt(AT_FDCWD, link).value() == kHello.ToString());
  CHECK(ReadLinkAt(AT_FDCWD, link + "-2").value() == kGit.ToString());
  REQUIRE_OK(RemoveRoots(link));
  CHECK_FALSE(HasLinks());
}

TEST_CASE_METHOD(Fixture, "RootValidPaths leaves to Nix what is not valid", "[nix][valid_paths]") {
  closures.valid = {kHello.base_name()};
  const auto rooted = Root();
  REQUIRE_OK(rooted);
  CHECK_FALSE(*rooted);
  CHECK_FALSE(HasLinks());
}

TEST_CASE_METHOD(Fixture, "RootValidPaths promises nothing while Nix collects garbage",
                 "[nix][valid_paths]") {
  closures.valid = {kHello.base_name(), kGit.base_name()};
  const auto collector = OpenAt(AT_FDCWD, directory.Join("gc.lock"), O_RDWR | O_CREAT, 0600);
  REQUIRE_OK(collector);
  REQUIRE(::flock(collector->get(), LOCK_EX) == 0);
  const auto rooted = Root();
  REQUIRE_OK(rooted);
  CHECK_FALSE(*rooted);
  CHECK_FALSE(HasLinks());
}

TEST_CASE_METHOD(Fixture, "RootValidPaths leaves nothing after an error", "[nix][valid_paths]") {
  closures.failure = absl::DataLossError("database");
  CHECK(absl::IsDataLoss(Root().status()));
  CHECK_FALSE(HasLinks());
}

TEST_CASE_METHOD(Fixture, "KeepCollectionAway waits for a collection and keeps others away",
                 "[nix][valid_paths]") {
  auto collector = OpenAt(AT_FDCWD, directory.Join("gc.lock"), O_RDWR | O_CREAT, 0600);
  REQUIRE_OK(collector);
  REQUIRE(::flock(collector->get(), LOCK_EX) == 0);
  const auto refused =
      KeepCollectionAway(options, {absl::Now() + absl::Milliseconds(150), std::stop_token()});
  CHECK(absl::IsDeadlineExceeded(refused.status()));
  REQUIRE(::flock(collector->get(), LOCK_UN) == 0);
  const auto lock = KeepCollectionAway(options, {absl::Now(), std::stop_token()});
  REQUIRE_OK(lock);
  CHECK(::flock(collector->get(), LOCK_EX | LOCK_NB) != 0);
}

}  // namespace
}  // namespace stowage
