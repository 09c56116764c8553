#include "fuse/passthrough_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/own_user_namespace.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "fuse/init_reply.h"
#include "fuse/mount.h"
#include "fuse/passthrough.h"

namespace stowage {
namespace {

constexpr int kMaxEntriesSeen = 20'000;
constexpr size_t kMaxDirectoriesEach = 64;

// A superblock that is mounted nowhere, and its connection.
struct ProbeConnection {
  UniqueFd device;
  UniqueFd context;
};

absl::StatusOr<ProbeConnection> Connect() {
  ProbeConnection probe;
  STOWAGE_ASSIGN_OR_RETURN(probe.device, OpenFuseDevice());
  probe.context.Reset(::fsopen("fuse", FSOPEN_CLOEXEC));
  if (!probe.context) return absl::ErrnoToStatus(errno, "open the file system fuse");
  const std::string device = absl::StrCat(probe.device.get());
  for (const auto& [key, value] : {std::pair("fd", device.c_str()), std::pair("rootmode", "40000"),
                                   std::pair("user_id", "0"), std::pair("group_id", "0")})
    if (::fsconfig(probe.context.get(), FSCONFIG_SET_STRING, key, value, 0) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("set ", key, " of a FUSE mount to try"));
  if (::fsconfig(probe.context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return absl::ErrnoToStatus(errno, "make a FUSE mount to try");
  return probe;
}

absl::Status AcceptPassthrough(int fuse_fd) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string request, ReadInitRequest(fuse_fd));
  if (!OffersPassthrough(request))
    return absl::FailedPreconditionError(
        "the kernel does not offer it; needed is Linux 6.9 with CONFIG_FUSE_PASSTHROUGH");
  struct {
    fuse_out_header header;
    fuse_init_out body;
  } reply{};
  std::memcpy(&reply.header.unique, request.data() + offsetof(fuse_in_header, unique),
              sizeof reply.header.unique);
  reply.header.len = sizeof reply;
  reply.body.major = FUSE_KERNEL_VERSION;
  reply.body.minor = FUSE_KERNEL_MINOR_VERSION;
  CompleteInitReply(request, DataMode::kPassthrough, &reply.body, sizeof reply.body);
  if (::write(fuse_fd, &reply, sizeof reply) != sizeof reply)
    return absl::ErrnoToStatus(errno, "answer FUSE_INIT of a mount to try");
  return absl::OkStatus();
}

constexpr char kRightsWanted[] =
    "the kernel refuses to register a file of the store: it wants CAP_SYS_ADMIN in the "
    "initial user namespace";

struct CloseDir {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

// Some regular file below a directory, depth first. No descriptor if there is none, or none
// among the first entries.
UniqueFd FindRegularFile(int directory_fd, int* entries_left) {
  UniqueFd fd(::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseDir> listing(fd ? ::fdopendir(fd.get()) : nullptr);
  if (listing == nullptr) return {};
  (void)fd.Release();  // closedir owns it now
  std::vector<std::string> directories;
  while (directories.size() < kMaxDirectoriesEach) {
    const dirent* const entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    if (--*entries_left < 0) return {};
    if (entry->d_type == DT_REG) {
      UniqueFd file(::openat(::dirfd(listing.get()), entry->d_name,
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (file) return file;
    }
    const absl::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") directories.emplace_back(name);
  }
  for (const std::string& name : directories) {
    const UniqueFd directory(::openat(::dirfd(listing.get()), name.c_str(),
                                      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) continue;
    UniqueFd file = FindRegularFile(directory.get(), entries_left);
    if (file || *entries_left < 0) return file;
  }
  return {};
}

}  // namespace

absl::Status ProbePassthrough(int store_directory_fd) {
  STOWAGE_ASSIGN_OR_RETURN(const ProbeConnection probe, Connect());
  STOWAGE_RETURN_IF_ERROR(AcceptPassthrough(probe.device.get()));
  int entries_left = kMaxEntriesSeen;
  const UniqueFd file = FindRegularFile(store_directory_fd, &entries_left);
  // Of an empty store no file can say so.
  if (!file && InUserNamespace()) return absl::FailedPreconditionError(kRightsWanted);
  if (!file) return absl::OkStatus();
  int32_t backing_id = 0;
  const int error = RegisterBackingFile(probe.device.get(), file.get(), &backing_id);
  if (error == EPERM) return absl::FailedPreconditionError(kRightsWanted);
  if (error == ELOOP)
    return absl::FailedPreconditionError(
        "the store lies on a file system that is stacked on another one, as overlayfs: together "
        "with the containers' overlay that would be one more than the kernel allows");
  if (error != 0) return absl::ErrnoToStatus(error, "register a file of the store");
  return absl::OkStatus();
}

}  // namespace stowage
