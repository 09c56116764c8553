#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// openat(2) with O_CLOEXEC added and EINTR retried. Errors: errno as absl::ErrnoToStatus maps it,
// the message naming the path. directory_fd may be AT_FDCWD. Add O_NOFOLLOW for everything below a
// trusted directory.
absl::StatusOr<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags,
                                mode_t mode = 0);

// The whole content of a file. Errors: as OpenAt; ResourceExhausted if it is longer than max_bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = size_t{64} << 20);
absl::StatusOr<std::string> ReadFileAt(int directory_fd, const std::string& path, int extra_flags,
                                       size_t max_bytes = size_t{64} << 20);

// Writes all of `bytes` at the descriptor's position, retrying short writes and EINTR.
// what: the object's name for the error message.
absl::Status WriteAll(int fd, absl::string_view bytes, absl::string_view what);

// Reads exactly `size` bytes at `offset`; OutOfRange if the file ends before.
absl::Status PreadExactly(int fd, void* buffer, size_t size, uint64_t offset,
                          absl::string_view what);

// The target of a symbolic link, of any length. path is relative to directory_fd; "" names
// directory_fd itself (O_PATH).
absl::StatusOr<std::string> ReadLinkAt(int directory_fd, const std::string& path);

}  // namespace stowage
