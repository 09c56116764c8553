#pragma once

#include <sys/xattr.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace stowage {

// Lets overlayfs take the lower part of a directory from the absolute path `target` in the layers
// below (Documentation/filesystems/overlayfs.rst, redirect_dir). shown: the directory, for errors.
inline absl::Status SetRedirect(int directory_fd, const std::string& target,
                                const std::string& shown) {
  constexpr char kName[] = "trusted.overlay.redirect";
  if (::fsetxattr(directory_fd, kName, target.data(), target.size(), 0) == 0)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("set ", kName, " of ", shown));
}

}  // namespace stowage
