#include "layering/file_opener.h"

#include <fcntl.h>

#include "layering/open_beneath.h"

namespace stowage {

absl::StatusOr<UniqueFd> FileOpener::Open(absl::string_view relative_path) {
  const size_t slash = relative_path.rfind('/');
  if (slash == absl::string_view::npos)
    return OpenNameBeneath(directory_fd_, std::string(relative_path), O_RDONLY | O_NONBLOCK);
  const absl::string_view parent_path = relative_path.substr(0, slash);
  if (!parent_ || parent_path != parent_path_) {
    parent_.Reset();
    auto parent = OpenBeneath(directory_fd_, std::string(parent_path), O_PATH | O_DIRECTORY);
    if (!parent.ok()) return parent.status();
    parent_ = *std::move(parent);
    parent_path_ = std::string(parent_path);
  }
  return OpenNameBeneath(parent_.get(), std::string(relative_path.substr(slash + 1)),
                         O_RDONLY | O_NONBLOCK);
}

}  // namespace stowage
