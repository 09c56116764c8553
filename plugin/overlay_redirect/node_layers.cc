#include "plugin/overlay_redirect/node_layers.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/overlay_redirect/overlay_xattr.h"

namespace stowage {
namespace {

constexpr absl::string_view kSecretPrefix = ".x-";
constexpr size_t kSecretBytes = 16;

// overlayfs's whiteout: a character device 0:0.
absl::Status MakeWhiteout(int directory_fd, const std::string& name, const std::string& shown) {
  if (::mknodat(directory_fd, name.c_str(), S_IFCHR, ::makedev(0, 0)) == 0 || errno == EEXIST)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("make the whiteout ", shown, "/", name));
}

absl::StatusOr<UniqueFd> MakeLayer(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("create ", path));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd layer,
                           OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::fchmod(layer.get(), 0755) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("chmod ", path));
  return layer;
}

}  // namespace

absl::StatusOr<std::string> MakeSecretName() {
  std::string bytes(kSecretBytes, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return absl::ErrnoToStatus(errno, "getrandom");
  return absl::StrCat(kSecretPrefix, absl::BytesToHexString(bytes));
}

bool IsSecretName(absl::string_view name) {
  return name.size() == kSecretPrefix.size() + 2 * kSecretBytes &&
         absl::StartsWith(name, kSecretPrefix) &&
         std::all_of(name.begin() + kSecretPrefix.size(), name.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

absl::Status WriteCap(const std::string& path, const std::string& secret_name) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd cap, MakeLayer(path));
  return MakeWhiteout(cap.get(), secret_name, path);
}

absl::Status WriteMask(const std::string& path, const std::string& secret_name,
                       const std::string& store_parent, const std::string& store_name) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd mask, MakeLayer(path));
  if (::mkdirat(mask.get(), secret_name.c_str(), 0755) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("create ", path, "/", secret_name));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd secret,
                           OpenAt(mask.get(), secret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  STOWAGE_RETURN_IF_ERROR(
      SetRedirect(secret.get(), "/" + store_name, absl::StrCat(path, "/", secret_name)));
  // Or a directory of that name in the store's parent would be merged into the containers' own.
  STOWAGE_RETURN_IF_ERROR(MakeWhiteout(mask.get(), "nix", path));
  return HideNames(path, store_parent);
}

absl::Status HideNames(const std::string& mask, const std::string& store_parent) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd,
                           OpenAt(AT_FDCWD, mask, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(store_parent));
  for (const std::string& name : names) STOWAGE_RETURN_IF_ERROR(MakeWhiteout(fd.get(), name, mask));
  return absl::OkStatus();
}

}  // namespace stowage
