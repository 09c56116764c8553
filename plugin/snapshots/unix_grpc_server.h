#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/unique_fd.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace stowage {

// gRPC services on a Unix socket that only this user (root, in production) can connect to.
//
// The socket is made and accepted from here and not by gRPC: gRPC would delete the socket of a
// server that is alive, and would create its own with the umask's mode. Thread-safe.
class UnixGrpcServer {
 public:
  // Starts to serve; the socket answers when this returns. A socket file that nobody listens on is
  // replaced. Errors: AlreadyExists if somebody listens there or the path is no socket;
  // InvalidArgument if it is longer than 107 bytes; else the system's. services must outlive the
  // server.
  static absl::StatusOr<std::unique_ptr<UnixGrpcServer>> Start(
      const std::string& path, absl::Span<grpc::Service* const> services);
  // Stops accepting, lets running calls end for up to five seconds, and removes the socket file.
  ~UnixGrpcServer();
  UnixGrpcServer(const UnixGrpcServer&) = delete;
  UnixGrpcServer& operator=(const UnixGrpcServer&) = delete;

  // The process at the other end of a call's connection, as the kernel noted it (SO_PEERCRED).
  // peer: grpc::ServerContext::peer(). Nothing for a connection that this server did not accept.
  std::optional<pid_t> PeerProcess(const std::string& peer) const;

 private:
  UnixGrpcServer(std::string path, UniqueFd lock, UniqueFd listener, UniqueFd stop,
                 std::unique_ptr<grpc::Server> server);
  void Accept() noexcept;
  void Serve(int connection);

  const std::string path_;
  const UniqueFd lock_;
  const UniqueFd listener_;
  const UniqueFd stop_;
  const std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  // By gRPC's name of the connection, "fd:NUMBER"; a number's next connection replaces the entry.
  absl::flat_hash_map<std::string, pid_t> peers_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;  // last: it uses the members above
};

}  // namespace stowage
