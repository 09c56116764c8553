// Shows that the tsan preset finds a race beside absl::Mutex and none below it, whatever is
// suppressed for libraries: with the argument "race" two threads add without a lock, else with one.
#include <cstdint>
#include <cstring>
#include <iostream>
#include <thread>

#include "absl/synchronization/mutex.h"

namespace {

struct Counter {
  absl::Mutex mutex;
  uint64_t value = 0;
};

void Add(Counter& counter, bool locked) {
  for (int i = 0; i < 1000; ++i) {
    if (locked) counter.mutex.Lock();
    ++counter.value;
    if (locked) counter.mutex.Unlock();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool locked = argc < 2 || std::strcmp(argv[1], "race") != 0;
  Counter counter;
  {
    const std::jthread one([&] { Add(counter, locked); });
    const std::jthread other([&] { Add(counter, locked); });
  }
  std::cout << counter.value << "\n";
  return 0;
}
