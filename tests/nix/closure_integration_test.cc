#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "nix/cli_closure_reader.h"
#include "nix/gc_roots.h"
#include "nix/nix_process.h"
#include "nix/realisation.h"
#include "nix/sqlite_closure_reader.h"
#include "nix/valid_paths.h"
#include "tests/nix/nix_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

// What is built and rooted for one test.
class Built {
 public:
  explicit Built(std::vector<std::string> names)
      : directory_(absl::StrCat("/nix/var/nix/gcroots/stowage-test-", ::getpid(), "-closure")) {
    const auto evaluation = testing::EvaluateNames(std::move(names));
    REQUIRE_OK(evaluation);
    const auto realised = NixRealiser(testing::TestNixOptions())
                              .Realise(evaluation->packages, GcRoots(directory_).ResolveLink("t"),
                                       nullptr, testing::TestLimits());
    REQUIRE_OK(realised);
    paths = *realised;
  }
  ~Built() { CHECK(RemoveTree(directory_).ok()); }
  std::vector<StorePath> paths;

 private:
  const std::string directory_;
};

std::unique_ptr<SqliteClosureReader> Database() {
  auto reader = SqliteClosureReader::Open("/nix/var/nix/db");
  REQUIRE_OK(reader);
  return *std::move(reader);
}

TEST_CASE("The database and the command line tell the same closure", "[nix][closure]") {
  const Built built({"git", "hello", "python3packages.requests", "git.man"});
  const auto by_database = Database()->Read(built.paths);
  REQUIRE_OK(by_database);
  const auto by_cli = CliClosureReader(testing::TestNixOptions()).Read(built.paths);
  REQUIRE_OK(by_cli);
  CHECK(by_database->objects.size() > 10);
  REQUIRE(by_database->objects.size() == by_cli->objects.size());
  CHECK(by_database->roots == by_cli->roots);
  for (size_t i = 0; i < by_cli->objects.size(); ++i) {
    const StoreObject& a = by_database->objects[i];
    const StoreObject& b = by_cli->objects[i];
    INFO(a.path.ToString());
    CHECK(a.path == b.path);
    CHECK(a.nar_hash == b.nar_hash);
    CHECK(a.nar_size_bytes == b.nar_size_bytes);
    CHECK(a.references == b.references);
  }
}

TEST_CASE("VerifyContents tells a changed path from a Nix that cannot work", "[nix][closure]") {
  const Built built({"hello"});
  const testing::TemporaryDirectory directory;
  NixOptions options = testing::TestNixOptions();
  NixCall copy;
  copy.program = "nix";
  copy.arguments = {"--extra-experimental-features",
                    "nix-command",
                    "copy",
                    "--no-check-sigs",
                    "--to",
                    directory.path(),
                    built.paths[0].ToString()};
  REQUIRE(RunNix(options, copy, testing::TestLimits())->exit_code == 0);
  options.extra_settings.push_back(absl::StrCat("store=", directory.path()));
  REQUIRE_OK(VerifyContents(built.paths, options, testing::TestLimits()));
  const std::string file = directory.Join(built.paths[0].ToString().substr(1) + "/bin/hello");
  REQUIRE(::chmod(file.c_str(), 0755) == 0);
  REQUIRE(::truncate(file.c_str(), 100) == 0);
  CHECK(absl::IsDataLoss(VerifyContents(built.paths, options, testing::TestLimits())));
  options.extra_settings.back() = absl::StrCat("store=unix://", directory.Join("nobody"));
  const absl::Status unreachable = VerifyContents(built.paths, options, testing::TestLimits());
  CHECK_FALSE(unreachable.ok());
  CHECK_FALSE(absl::IsDataLoss(unreachable));
}

TEST_CASE("Both readers notice paths that are not valid", "[nix][closure]") {
  const Built built({"hello"});
  CliClosureReader cli(testing::TestNixOptions());
  const auto database = Database();
  const StorePath missing = *StorePath::FromBaseName(std::string(32, '0') + "-missing");
  for (ClosureReader* reader : std::initializer_list<ClosureReader*>{&cli, database.get()}) {
    CHECK(reader->CheckPathsValid(built.paths).ok());
    const absl::Status check =
        reader->CheckPathsValid(std::vector<StorePath>{built.paths[0], missing});
    CHECK(absl::IsNotFound(check));
    CHECK(absl::StrContains(check.message(), missing.ToString()));
    const absl::Status read = reader->Read(std::vector<StorePath>{missing}).status();
    CHECK(absl::IsNotFound(read));
    CHECK(absl::StrContains(read.message(), missing.ToString()));
  }
}

TEST_CASE("OpenClosureReader prefers the database and falls back to the command line",
          "[nix][closure]") {
  const Built built({"hello"});
  NixOptions options = testing::TestNixOptions();
  auto reader = OpenClosureReader(options);
  REQUIRE_OK(reader);
  CHECK(dynamic_cast<SqliteClosureReader*>(reader->get()) != nullptr);
  const testing::TemporaryDirectory state;  // without a database
  options.state_directory = state.path();
  reader = OpenClosureReader(options);
  REQUIRE_OK(reader);
  CHECK(dynamic_cast<CliClosureReader*>(reader->get()) != nullptr);
  options.state_directory = state.Join("other");  // Nix has made itself a database in the first one
  options.program_directory = "/nonexistent";
  CHECK(absl::IsUnavailable(OpenClosureReader(options).status()));
}

}  // namespace
}  // namespace stowage
