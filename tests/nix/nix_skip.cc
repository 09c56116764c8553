// Ends the program with 77, which ctest takes for "skipped", where there is no Nix or no package
// set. It must happen before Catch2's main, whose version 2 knows no skipping.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/subprocess.h"
#include "tests/nix/nix_fixture.h"

namespace stowage::testing {
namespace {

bool NixWorks() {
  const std::string directory = TestNixOptions().program_directory;
  SubprocessOptions version;
  version.argv = {directory.empty() ? "nix-store" : directory + "/nix-store", "--version"};
  version.deadline = absl::Now() + absl::Seconds(30);
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(version);
  return result.ok() && result->exit_code == 0;
}

[[maybe_unused]] const bool can_run = [] {
  const char* missing = ::geteuid() != 0           ? "root"
                        : TestPackageSet().empty() ? "a package set (STOWAGE_TEST_PKGSET)"
                        : !NixWorks()              ? "Nix"
                                                   : nullptr;
  if (missing == nullptr) return true;
  std::fprintf(stderr, "skipped: needs %s\n", missing);
  std::_Exit(77);
}();

}  // namespace
}  // namespace stowage::testing
