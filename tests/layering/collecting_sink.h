#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/file.h"
#include "layering/layer_archive.h"

namespace stowage::testing {

// Keeps everything it is given and counts the calls.
class CollectingSink : public LayerSink {
 public:
  absl::Status Memory(absl::string_view bytes) override {
    content.append(bytes.data(), bytes.size());
    ++memory_calls;
    return absl::OkStatus();
  }
  absl::Status File(int fd, uint64_t offset, uint64_t size) override {
    ++file_calls;
    const size_t before = content.size();
    content.resize(before + size);
    return PreadExactly(fd, content.data() + before, size, offset, "a file of a layer");
  }

  std::string content;
  int memory_calls = 0;
  int file_calls = 0;
};

}  // namespace stowage::testing
