#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// Opens regular files below a directory, as OpenBeneath does, and keeps the directory of the last
// one: files that come in the order of their tree cost one open of a single name each.
// Not thread-safe.
class FileOpener {
 public:
  // directory_fd: borrowed.
  explicit FileOpener(int directory_fd) : directory_fd_(directory_fd) {}

  // relative_path, errors: as of OpenBeneath. The file is open for reading and, should it be a fifo
  // by now, without waiting for a writer.
  absl::StatusOr<UniqueFd> Open(absl::string_view relative_path);

 private:
  const int directory_fd_;
  std::string parent_path_;
  UniqueFd parent_;  // of parent_path_; none before the first file that is not right below
};

}  // namespace stowage
