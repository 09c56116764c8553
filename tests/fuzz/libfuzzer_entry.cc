// The function that libFuzzer calls; its main comes from -fsanitize=fuzzer.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz_target.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const stowage::testing::FuzzTarget target =
      stowage::testing::FuzzTargets().begin()->second;
  target(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  return 0;
}
