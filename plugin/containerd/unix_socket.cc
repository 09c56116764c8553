#include "plugin/containerd/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

absl::Status ProbeError(absl::StatusCode code, const std::string& path, int error) {
  return absl::Status(code, absl::StrCat("connect to ", path, ": ", std::strerror(error)));
}

absl::Status ConnectError(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ProbeError(absl::StatusCode::kNotFound, path, error);
    case EACCES:
    case EPERM:
      return ProbeError(absl::StatusCode::kPermissionDenied, path, error);
    case ECONNREFUSED: {
      // The kernel says the same of a regular file and of a socket that nobody serves.
      struct stat status = {};
      if (::stat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode))
        return ProbeError(absl::StatusCode::kFailedPrecondition, path, ENOTSOCK);
      return ProbeError(absl::StatusCode::kUnavailable, path, error);
    }
    default:
      return ProbeError(absl::StatusCode::kUnavailable, path, error);
  }
}

}  // namespace

absl::StatusOr<std::string> UnixSocketPath(absl::string_view address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix://")) absl::ConsumePrefix(&path, "unix:");
  if (!absl::StartsWith(path, "/"))
    return absl::InvalidArgumentError(
        absl::StrCat("socket address '", address,
                     "': not an absolute path (write /run/... or unix:///run/...)"));
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return absl::InvalidArgumentError(absl::StrCat("socket address '", address, "': longer than ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  return std::string(path);
}

absl::StatusOr<ucred> PeerOfUnixSocket(const std::string& path) {
  // Non-blocking: a server whose backlog is full answers EAGAIN, which still means that it is
  // there.
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return absl::ErrnoToStatus(errno, "make a unix socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return absl::InvalidArgumentError(absl::StrCat("socket path ", path, " is too long"));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN || errno == EINPROGRESS) return ucred{};
    return ConnectError(path, errno);
  }
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("ask who listens on ", path));
  return peer;
}

absl::Status ProbeUnixSocket(const std::string& path) { return PeerOfUnixSocket(path).status(); }

}  // namespace stowage
