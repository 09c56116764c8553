#include "nix/realisation.h"

#include <unistd.h>

#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("RemoveRoots takes the links of one resolve and its empty directory",
          "[nix][realisation]") {
  const testing::TemporaryDirectory directory;
  const std::string link = directory.Join("r/root");
  REQUIRE_OK(RemoveRoots(link));
  REQUIRE_OK(MakeDirectories(directory.Join("r")));
  for (const char* name : {"r/root", "r/root-2", "r/root-3-man"})
    REQUIRE(::symlink("/nix/store/x", directory.Join(name).c_str()) == 0);
  REQUIRE_OK(RemoveRoots(link));
  CHECK(ListDirectory(directory.path())->empty());
}

TEST_CASE("RemoveRoots leaves other links and their directory", "[nix][realisation]") {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"root", "roots", "other"})
    REQUIRE(::symlink("/nix/store/x", directory.Join(name).c_str()) == 0);
  REQUIRE_OK(RemoveRoots(directory.Join("root")));
  CHECK(*ListDirectory(directory.path()) == std::vector<std::string>{"other", "roots"});
}

TEST_CASE("NixRealiser needs an absolute root link and derivations that exist",
          "[nix][realisation]") {
  const testing::TemporaryDirectory directory;
  NixRealiser realiser({});
  CHECK(realiser.Realise({}, "x", nullptr, {})->empty());
  const EvaluatedPackage package = {"gone",
                                    {"gone"},
                                    "/nix/store/" + std::string(32, '0') + "-gone.drv",
                                    "out",
                                    *StorePath::FromBaseName(std::string(32, '1') + "-gone"),
                                    "",
                                    "",
                                    ""};
  CHECK(absl::IsInvalidArgument(realiser.Realise({package}, "x", nullptr, {}).status()));
  const absl::Status status =
      realiser.Realise({package}, directory.Join("l"), nullptr, {}).status();
  CHECK(absl::IsUnavailable(status));
  CHECK(status.message() == "build of gone: " + package.derivation +
                                " was garbage-collected since its evaluation; try again");
}

TEST_CASE("NixRealiser says so when derivations are collected while Nix begins",
          "[nix][realisation]") {
  const testing::TemporaryDirectory directory;
  const std::string derivation = directory.Join("taken.drv");
  REQUIRE_OK(WriteFileAtomically(derivation, ""));
  REQUIRE_OK(WriteFileAtomically(
      directory.Join("nix-store"),
      "#!/bin/sh\nrm " + derivation + "\necho 'error: opening file' >&2\nexit 1\n", 0755));
  NixOptions options;
  options.program_directory = directory.path();
  options.work_directory = directory.path();
  NixRealiser realiser(options);
  const EvaluatedPackage package = {"taken",
                                    {"taken"},
                                    derivation,
                                    "out",
                                    *StorePath::FromBaseName(std::string(32, '1') + "-taken"),
                                    "",
                                    "",
                                    ""};
  const absl::Status status = realiser
                                  .Realise({package}, directory.Join("roots/l"), nullptr,
                                           {absl::Now() + absl::Seconds(10), {}})
                                  .status();
  INFO(status);
  CHECK(absl::IsUnavailable(status));
  CHECK(status.message().find("was garbage-collected") != absl::string_view::npos);
}

}  // namespace
}  // namespace stowage
