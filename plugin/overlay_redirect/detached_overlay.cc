#include "plugin/overlay_redirect/detached_overlay.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// The kernel's own words about what it refused (mount_api.rst: "e overlay: ...").
std::string KernelMessages(int context) {
  std::string messages;
  char line[512];
  ssize_t count;
  while ((count = ::read(context, line, sizeof line)) > 0)
    absl::StrAppend(&messages, messages.empty() ? " (" : "; ",
                    absl::string_view(line, static_cast<size_t>(count)));
  return messages.empty() ? "" : messages + ")";
}

absl::Status Failed(int context, absl::string_view what) {
  const int error = errno;
  if (error == ENOSYS)
    return absl::UnimplementedError("the kernel has no fsopen(2); 5.2 and later do");
  return absl::ErrnoToStatus(error, absl::StrCat(what, KernelMessages(context)));
}

absl::Status SetOption(int context, const std::string& option) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(option, absl::MaxSplits('=', 1));
  const bool flag = parts.first.size() == option.size();
  const int result =
      flag ? ::fsconfig(context, FSCONFIG_SET_FLAG, parts.first.c_str(), nullptr, 0)
           : ::fsconfig(context, FSCONFIG_SET_STRING, parts.first.c_str(), parts.second.c_str(), 0);
  return result == 0 ? absl::OkStatus() : Failed(context, absl::StrCat("overlay option ", option));
}

}  // namespace

absl::StatusOr<UniqueFd> MountDetachedOverlay(const std::vector<std::string>& lowers,
                                              const std::vector<std::string>& options) {
  const UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) return Failed(-1, "open the file system type overlay");
  for (const std::string& option : options)
    STOWAGE_RETURN_IF_ERROR(SetOption(context.get(), option));
  // fsconfig(2) takes 255 bytes for a value, so directories are named by descriptors.
  std::vector<UniqueFd> held;
  std::vector<std::string> names;
  for (const std::string& lower : lowers) {
    STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, lower, O_PATH | O_DIRECTORY));
    names.push_back(absl::StrCat("/proc/self/fd/", fd.get()));
    held.push_back(std::move(fd));
  }
  const std::string what = absl::StrCat("mount an overlay of ", absl::StrJoin(lowers, ":"));
  STOWAGE_RETURN_IF_ERROR(
      SetOption(context.get(), absl::StrCat("lowerdir=", absl::StrJoin(names, ":"))));
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return Failed(context.get(), what);
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY));
  if (!mount.valid()) return Failed(context.get(), what);
  return mount;
}

}  // namespace stowage
