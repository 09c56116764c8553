#include "plugin/overlay_redirect/view_check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
constexpr size_t kSaid = 5;  // names of a list that an error tells

absl::Status Differs(absl::string_view name, absl::string_view how) {
  return absl::DataLossError(absl::StrCat("the kernel shows ", name, " ", how));
}

absl::StatusOr<std::vector<std::string>> List(int directory_fd, const std::string& name) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(directory_fd, name, kDirectory));
  return ListDirectory(fd.get(), name);
}

absl::Status CheckNames(int directory_fd, const std::string& name,
                        const std::vector<std::string>& wanted) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> shown, List(directory_fd, name));
  if (shown == wanted) return absl::OkStatus();
  const auto first = [](const std::vector<std::string>& names) {
    return absl::StrJoin(names.begin(), names.begin() + std::min(names.size(), kSaid), " ");
  };
  return Differs(name, absl::StrCat("with ", shown.size(), " names (", first(shown),
                                    ") instead of ", wanted.size(), " (", first(wanted), ")"));
}

absl::Status CheckStorePath(int view_store_fd, int store_fd, const std::string& name) {
  struct stat shown;
  struct stat wanted;
  if (::fstatat(store_fd, name.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat store path ", name));
  if (::fstatat(view_store_fd, name.c_str(), &shown, AT_SYMLINK_NOFOLLOW) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", name, " in a mounted view"));
  if (shown.st_mode != wanted.st_mode || shown.st_uid != wanted.st_uid ||
      shown.st_gid != wanted.st_gid)
    return Differs(name, "with another mode or owner");
  if (S_ISDIR(wanted.st_mode)) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, List(store_fd, name));
    return CheckNames(view_store_fd, name, names);
  }
  return shown.st_size == wanted.st_size ? absl::OkStatus() : Differs(name, "with another size");
}

}  // namespace

absl::Status CheckView(int view_fd, int store_fd, const std::vector<std::string>& base_names) {
  STOWAGE_RETURN_IF_ERROR(CheckNames(view_fd, ".", {"nix"}));
  STOWAGE_RETURN_IF_ERROR(CheckNames(view_fd, "nix", {"store"}));
  STOWAGE_RETURN_IF_ERROR(CheckNames(view_fd, "nix/store", base_names));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(view_fd, "nix/store", O_PATH | O_DIRECTORY));
  return ParallelFor(base_names.size(), AvailableCpus(), [&](size_t i) {
    return CheckStorePath(store.get(), store_fd, base_names[i]);
  });
}

}  // namespace stowage
