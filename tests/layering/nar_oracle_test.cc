// Nix itself as the judge: the NAR that nix-store makes of a store path, of what tar unpacked, and
// our own hash of it are the same. Skipped (77) where Nix or tar is missing.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "base/subprocess.h"
#include "layering/layer_archive.h"
#include "tests/layering/collecting_sink.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/nar_hash.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

constexpr int kSkipped = 77;

// The program's standard output. Anything but success ends the test.
std::string Run(const std::vector<std::string>& argv) {
  SubprocessOptions options;
  options.argv = argv;
  options.deadline = absl::Now() + absl::Seconds(60);
  const auto result = RunSubprocess(options);
  if (absl::IsNotFound(result.status())) {
    std::cerr << argv.front() << " is not installed\n";
    std::exit(kSkipped);
  }
  if (!result.ok() || result->exit_code != 0) {
    std::cerr << argv.front() << ": " << result.status()
              << (result.ok() ? result->standard_error : "") << "\n";
    std::exit(1);
  }
  return result->standard_output;
}

int RunOracle() {
  const testing::SyntheticStore store;
  const testing::TemporaryDirectory unpacked;
  const std::vector<std::string> base_names = testing::MakeOddStore(store);
  const auto archive = LayerArchive::ForStorePaths(store.path(), base_names);
  testing::CollectingSink sink;
  if (!archive.ok() || !archive->Emit(0, archive->size_bytes(), sink).ok() ||
      !WriteFileAtomically(unpacked.Join("layer.tar"), sink.content).ok() ||
      !MakeDirectories(unpacked.Join("root")).ok())
    return 1;
  Run({"tar", "-C", unpacked.Join("root"), "-xf", unpacked.Join("layer.tar")});
  int failures = 0;
  for (const std::string& base_name : base_names) {
    const std::string original = store.Join(base_name);
    const Digest want = Sha256(Run({"nix-store", "--dump", original}));
    const Digest got =
        Sha256(Run({"nix-store", "--dump", unpacked.Join("root/nix/store/" + base_name)}));
    const bool same = want == got && testing::NarHash(original).value() == want;
    if (!same) std::cerr << base_name << ": the NAR differs\n";
    failures += same ? 0 : 1;
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace stowage

int main() { return stowage::RunOracle(); }
