// Writes index files as stowaged does, for bench_scale.py.
//
//   write_indexes objects STORE-DIRECTORY BASE-NAME STATE-DIRECTORY FIRST COUNT
//   write_indexes views STATE-DIRECTORY FIRST COUNT SLOTS OBJECTS
//
// `objects` indexes one store path COUNT times, under the numbers from FIRST on. `views` writes
// views of SLOTS of the objects 1..OBJECTS, each view another choice. Prints what was written
// (entries, or views) and the seconds of CPU time (user and system) and wall time.
#include <fcntl.h>
#include <sys/resource.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "fuse/index_writer.h"

namespace stowage {
namespace {

absl::Duration CpuTime() {
  rusage usage = {};
  (void)::getrusage(RUSAGE_SELF, &usage);  // fails for bad arguments only
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

absl::StatusOr<uint64_t> WriteObjects(const std::string& store_directory,
                                      const std::string& base_name, const std::string& state,
                                      uint64_t first, uint64_t count) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(AT_FDCWD, store_directory, O_PATH | O_DIRECTORY));
  uint64_t entries = 0;
  for (uint64_t number = first; number < first + count; ++number) {
    STOWAGE_ASSIGN_OR_RETURN(
        const ObjectIndexSummary summary,
        WriteObjectIndex(store.get(), base_name, number, absl::StrCat(state, "/objects/", number)));
    entries += summary.entries;
  }
  return entries;
}

absl::StatusOr<uint64_t> WriteViews(const std::string& state, uint64_t first, uint64_t count,
                                    uint64_t slots, uint64_t objects) {
  for (uint64_t number = first; number < first + count; ++number) {
    std::vector<ViewSlot> view;
    for (uint64_t slot = 0; slot < slots; ++slot)
      view.push_back(
          {absl::StrFormat("%032d-made-up-%d", slot, slot), 1 + (number * 131 + slot) % objects});
    STOWAGE_RETURN_IF_ERROR(WriteView(number, view, absl::StrCat(state, "/views/", number)));
  }
  return count;
}

int Run(const std::vector<std::string>& words) {
  std::vector<uint64_t> numbers;
  for (const std::string& word : words) {
    uint64_t number = 0;
    if (absl::SimpleAtoi(word, &number)) numbers.push_back(number);
  }
  const absl::Time start = absl::Now();
  const absl::Duration cpu_before = CpuTime();
  absl::StatusOr<uint64_t> written = absl::InvalidArgumentError("see the head of its source");
  if (words.size() == 6 && words[0] == "objects" && numbers.size() == 2)
    written = WriteObjects(words[1], words[2], words[3], numbers[0], numbers[1]);
  if (words.size() == 6 && words[0] == "views" && numbers.size() == 4)
    written = WriteViews(words[1], numbers[0], numbers[1], numbers[2], numbers[3]);
  if (!written.ok()) {
    std::cerr << "write_indexes: " << written.status() << "\n";
    return 1;
  }
  std::cout << *written << " " << absl::ToDoubleSeconds(CpuTime() - cpu_before) << " "
            << absl::ToDoubleSeconds(absl::Now() - start) << "\n";
  return 0;
}

}  // namespace
}  // namespace stowage

int main(int argc, char** argv) { return stowage::Run({argv + 1, argv + argc}); }
