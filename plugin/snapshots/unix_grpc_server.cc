#include "plugin/snapshots/unix_grpc_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/file_lock.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr int kBacklog = 128;
constexpr int kMaxReceiveBytes = 16 << 20;  // as containerd's own server
constexpr std::chrono::seconds kShutdownTimeout(5);
constexpr int kRetryMilliseconds = 50;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError(absl::StrCat("listen on '", path,
                                                   "': a socket's path has 1 to ",
                                                   sizeof address.sun_path - 1, " bytes"));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

// Two servers that start together must not delete each other's socket. The lock goes with the
// process, however it ends; the file stays, since deleting it would give away the lock's name.
absl::StatusOr<UniqueFd> Lock(const std::string& path) {
  auto lock = LockFile(path + ".lock");
  if (!absl::IsFailedPrecondition(lock.status())) return lock;
  return absl::AlreadyExistsError(absl::StrCat("listen on ", path, ": another server does"));
}

absl::Status RemoveStaleSocket(const std::string& path, const sockaddr_un& address) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0)
    return errno == ENOENT ? absl::OkStatus() : Failed("stat", path);
  if (!S_ISSOCK(status.st_mode))
    return absl::AlreadyExistsError(
        absl::StrCat("listen on ", path, ": that file is no socket; remove it"));
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return Failed("make a socket for", path);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN)
    return absl::AlreadyExistsError(absl::StrCat("listen on ", path, ": another server does"));
  if (errno != ECONNREFUSED) return Failed("connect to", path);
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus()
                                                        : Failed("remove stale socket", path);
}

absl::StatusOr<UniqueFd> Listen(const std::string& path, const sockaddr_un& address) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return Failed("make a socket for", path);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Failed("bind", path);
  // Nobody can connect before listen(2), so there is no moment with a wider mode.
  if (::chmod(path.c_str(), 0600) != 0) return Failed("chmod", path);
  if (::listen(listener.get(), kBacklog) != 0) return Failed("listen on", path);
  return listener;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixGrpcServer>> UnixGrpcServer::Start(
    const std::string& path, absl::Span<grpc::Service* const> services) {
  STOWAGE_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd lock, Lock(path));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return Failed("make an eventfd for", path);

  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr)
    return absl::InternalError(absl::StrCat("serve on ", path, ": gRPC did not start"));
  // Last: containerd waits for the socket file, and gives a connection a second in all until it is
  // answered (pkg/dialer), so nothing may take time from here on.
  STOWAGE_RETURN_IF_ERROR(RemoveStaleSocket(path, address));
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd listener, Listen(path, address));
  return std::unique_ptr<UnixGrpcServer>(new UnixGrpcServer(
      path, std::move(lock), std::move(listener), std::move(stop), std::move(server)));
}

UnixGrpcServer::UnixGrpcServer(std::string path, UniqueFd lock, UniqueFd listener, UniqueFd stop,
                               std::unique_ptr<grpc::Server> server)
    : path_(std::move(path)),
      lock_(std::move(lock)),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      server_(std::move(server)),
      acceptor_([this] { Accept(); }) {}

UnixGrpcServer::~UnixGrpcServer() {
  // Cannot fail: the counter is zero.
  (void)::eventfd_write(stop_.get(), 1);
  acceptor_.join();
  (void)::unlink(path_.c_str());
  server_->Shutdown(std::chrono::system_clock::now() + kShutdownTimeout);
  server_->Wait();
}

void UnixGrpcServer::Serve(int connection) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    const absl::MutexLock lock(&mutex_);
    peers_[absl::StrCat("fd:", connection)] = credentials.pid;
  }
  grpc::AddInsecureChannelFromFd(server_.get(), connection);
}

std::optional<pid_t> UnixGrpcServer::PeerProcess(const std::string& peer) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return std::nullopt;
  return found->second;
}

void UnixGrpcServer::Accept() noexcept {
  pollfd polled[2] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  while (true) {
    if (::poll(polled, 2, -1) < 0) continue;  // EINTR
    if (polled[1].revents != 0) return;
    const int connection =
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection >= 0) {
      Serve(connection);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The connection stays queued; without a pause this loop would spin until something is freed.
      (void)::poll(&polled[1], 1, kRetryMilliseconds);
    }
  }
}

}  // namespace stowage
