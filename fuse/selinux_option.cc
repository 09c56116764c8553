#include "fuse/selinux_option.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/own_user_namespace.h"
#include "base/selinux_context.h"
#include "base/status_macros.h"

namespace stowage {

absl::StatusOr<std::string> SelinuxMountOption(absl::string_view context) {
  if (context.empty()) return "";
  STOWAGE_RETURN_IF_ERROR(CheckSelinuxContext(context));
  // EACCES for all but tmpfs, ramfs, devpts and overlay (security/selinux/hooks.c
  // selinux_set_mnt_opts).
  if (InUserNamespace())
    return absl::FailedPreconditionError(
        absl::StrCat("mount with SELinux context ", context,
                     ": in a user namespace the kernel takes none for FUSE; leave "
                     "fuse.selinux_context out"));
  // Registered only by a kernel that was started with SELinux (security/selinux/selinuxfs.c).
  STOWAGE_ASSIGN_OR_RETURN(const std::string file_systems, ReadFile("/proc/filesystems"));
  if (!absl::StrContains(file_systems, "\tselinuxfs\n"))
    return absl::FailedPreconditionError(
        absl::StrCat("mount with SELinux context ", context,
                     ": this kernel runs without SELinux; leave fuse.selinux_context out"));
  // In quotes, for the commas between categories (security/selinux/hooks.c
  // selinux_sb_eat_lsm_opts).
  return absl::StrCat(",context=\"", context, "\"");
}

}  // namespace stowage
