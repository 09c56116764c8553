#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// One answered request, for the access log.
struct HttpAccess {
  std::string client;  // "address:port"
  std::string method;  // "" when the request could not be read
  std::string target;
  int status = 0;            // 499 when the client left before it was answered
  uint64_t body_bytes = 0;   // as sent, after content coding
  absl::Duration duration;   // from the complete request head to the last byte handed to the kernel
  absl::Status body_status;  // why the body failed or the connection was cut, else OK
};

struct HttpServerOptions {
  // "ADDRESS:PORT" with an IPv4 address; port 0 takes a free one. Loopback unless configured.
  std::string address = "127.0.0.1:5080";
  int io_threads = 1;         // parse requests, answer from memory, wait for sockets
  int disk_threads = 16;      // run bodies of Work::kDisk; these wait more than they compute
  int processor_threads = 0;  // run bodies of Work::kProcessor; 0: one for each CPU
  size_t max_connections = 4096;
  size_t max_head_bytes = 16384;
  size_t max_target_bytes = 4096;
  absl::Duration head_timeout = absl::Seconds(15);    // from the first byte of a request
  absl::Duration idle_timeout = absl::Seconds(75);    // between two requests
  absl::Duration stall_timeout = absl::Seconds(120);  // for a client that does not take its answer
  // Called once for each request from several threads; must not block. May be empty.
  std::function<void(const HttpAccess&)> on_access;
};

// HTTP/1.1 and 1.0 on one listening socket: keep-alive, pipelining, limits, time-outs, drain.
//
// A request that its handler answers late (Nix is building) costs a socket and a few kilobytes, no
// thread, and has no deadline. Bodies made while they are sent run in slices on pools of their own
// and come back whenever the socket is full: a slow disk or a slow client never holds up the other
// connections, and an I/O thread never waits. Signals are blocked in all threads of the server,
// because sendfile(2) raises SIGPIPE and cannot be told not to.
class HttpServer {
 public:
  // Listens and starts the threads. handler must outlive the server.
  // Errors: InvalidArgument for a bad address; the errno's code (AlreadyExists for an address in
  // use) naming the address.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           HttpHandler& handler);
  // Stops at once.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port that is listened on.
  uint16_t port() const;

  // Drains: accepts no more, closes idle connections, lets requests in progress end until
  // `deadline`, then cuts them. Returns when all threads have ended. Not from a handler or
  // callback.
  void Stop(absl::Time deadline);

 private:
  class Implementation;
  explicit HttpServer(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace stowage
