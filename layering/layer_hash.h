#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "base/sha256.h"
#include "layering/layer_archive.h"

namespace stowage {

// Hashes what it is given. Not thread-safe; one use per object.
class HashingSink : public LayerSink {
 public:
  // on_progress: called with the number of new bytes after about every 16 MiB and at Finish; may be
  // empty. Borrowed.
  explicit HashingSink(const std::function<void(uint64_t)>& on_progress);

  absl::Status Memory(absl::string_view bytes) override;
  // Errors: DataLoss if the file ends early; else the errno's code.
  absl::Status File(int fd, uint64_t offset, uint64_t size) override;

  Digest Finish();

 private:
  void Advance(uint64_t bytes);
  void Report();

  const std::function<void(uint64_t)>& on_progress_;
  Sha256Hasher hasher_;
  std::unique_ptr<char[]> buffer_;  // made for the first file
  uint64_t unreported_bytes_ = 0;
};

}  // namespace stowage
