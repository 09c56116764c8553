#include "base/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr int kMaxPassed = 1000;

// fd: sent along; -1: none.
absl::Status Send(const std::string& socket_path, absl::string_view state, int fd) {
  if (socket_path.empty()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError(absl::StrCat("notify ", socket_path, ": path too long"));
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return absl::ErrnoToStatus(errno, "make a socket to notify the service manager");
  iovec piece = {const_cast<char*>(state.data()), state.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path.size());
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("notify ", socket_path));
  return absl::OkStatus();
}

}  // namespace

absl::Status NotifyServiceManager(const std::string& socket_path, absl::string_view state) {
  return Send(socket_path, state, -1);
}

absl::Status StoreDescriptor(const std::string& socket_path, absl::string_view name, int fd) {
  return Send(socket_path, absl::StrCat("FDSTORE=1\nFDNAME=", name), fd);
}

absl::Status ForgetDescriptors(const std::string& socket_path, absl::string_view name) {
  return Send(socket_path, absl::StrCat("FDSTOREREMOVE=1\nFDNAME=", name), -1);
}

std::vector<PassedDescriptor> TakePassedDescriptors(absl::string_view listen_pid,
                                                    absl::string_view listen_fds,
                                                    absl::string_view listen_fdnames) {
  int pid = 0;
  int count = 0;
  if (!absl::SimpleAtoi(listen_pid, &pid) || pid != ::getpid()) return {};
  if (!absl::SimpleAtoi(listen_fds, &count) || count < 0 || count > kMaxPassed) return {};
  const std::vector<std::string> names = absl::StrSplit(listen_fdnames, ':');
  std::vector<PassedDescriptor> passed;
  for (int i = 0; i < count; ++i) {
    const int fd = kFirstPassed + i;
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // one that is not there is found by its first use
    const auto index = static_cast<size_t>(i);
    passed.push_back({index < names.size() ? names[index] : "", UniqueFd(fd)});
  }
  return passed;
}

}  // namespace stowage
