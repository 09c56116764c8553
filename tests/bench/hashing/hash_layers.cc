// Hashes store paths as layers, as an image in the making does: one layer for each path. For
// bench_hashing.py.
//
//   hash_layers STORE-DIRECTORY WORKERS < BASE-NAMES    one name a line
//
// Prints the bytes of the layers' tars, the wall seconds and the CPU seconds (user and system).
#include <sys/resource.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"

namespace stowage {
namespace {

absl::Duration CpuTime() {
  rusage usage = {};
  (void)::getrusage(RUSAGE_SELF, &usage);  // fails for bad arguments only
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

absl::StatusOr<uint64_t> HashLayers(const std::string& store_directory,
                                    const std::vector<std::string>& base_names, size_t workers) {
  std::atomic<uint64_t> bytes = 0;
  const auto hash = [&](size_t index) -> absl::Status {
    STOWAGE_ASSIGN_OR_RETURN(
        const LayerArchive archive,
        LayerArchive::ForStorePaths(store_directory, absl::MakeConstSpan(&base_names[index], 1)));
    STOWAGE_ASSIGN_OR_RETURN(const LayerDigest digest, archive.Hash(nullptr));
    bytes += digest.size_bytes;
    return absl::OkStatus();
  };
  STOWAGE_RETURN_IF_ERROR(ParallelFor(base_names.size(), workers, hash));
  return bytes.load();
}

int Run(const std::string& store_directory, size_t workers) {
  std::vector<std::string> base_names;
  for (std::string name; std::getline(std::cin, name);) base_names.push_back(name);
  const absl::Time start = absl::Now();
  const absl::Duration cpu_before = CpuTime();
  const absl::StatusOr<uint64_t> bytes = HashLayers(store_directory, base_names, workers);
  const absl::Duration cpu = CpuTime() - cpu_before;
  if (!bytes.ok()) {
    std::cerr << "hash_layers: " << bytes.status() << "\n";
    return 1;
  }
  std::cout << *bytes << " " << absl::ToDoubleSeconds(absl::Now() - start) << " "
            << absl::ToDoubleSeconds(cpu) << "\n";
  return 0;
}

}  // namespace
}  // namespace stowage

int main(int argc, char** argv) {
  size_t workers = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[2], &workers) || workers == 0) {
    std::cerr << "usage: hash_layers STORE-DIRECTORY WORKERS < BASE-NAMES\n";
    return 2;
  }
  return stowage::Run(argv[1], workers);
}
