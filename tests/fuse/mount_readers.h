#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "tests/fuse/living_store.h"

namespace stowage::testing {

// What containers do, without pause, until they are stopped: threads that read past the page cache,
// look up names and list directories, map files and touch them, execute a program.
class MountReaders {
 public:
  explicit MountReaders(const LivingStore& living);
  ~MountReaders() { Stop(); }

  // Waits for all threads.
  void Stop();

  int64_t operations() const;
  int64_t errors() const { return errors_; }
  // "" or the first error; after Stop().
  const std::string& first_error() const { return first_error_; }
  // "12 reads, 3 lookups, 4 mappings, 5 executions, longest 12 ms"; after Stop().
  std::string Figures() const;

 private:
  // One thing done to the file `number`; "": as it should be.
  using Operation = std::function<std::string(int view, int file)>;
  void Run(size_t kind, int first, const Operation& operation);

  static constexpr size_t kKinds = 4;
  std::array<std::atomic<int64_t>, kKinds> counts_ = {};
  std::atomic<int64_t> longest_us_ = 0;
  std::atomic<int64_t> errors_ = 0;
  std::atomic<bool> stop_ = false;
  std::string first_error_;  // written once, read when the threads are gone
  std::vector<std::jthread> threads_;
};

}  // namespace stowage::testing
