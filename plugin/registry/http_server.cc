#include "plugin/registry/http_server.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "plugin/registry/http_connection.h"
#include "plugin/registry/http_head.h"

namespace stowage {

namespace http_internal {

void IoLoop::Start() {
  asio::post(context, [this] { Tick(); });
  thread_ = std::thread([this]() noexcept { context.run(); });
}

void IoLoop::Add(Socket socket, bool refuse) {
  if (shared.draining) {
    shared.Add(-1);
    return;
  }
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket));
  connections.insert(connection);
  refuse ? connection->Refuse() : connection->Start();
}

// A copy, because closing a connection takes it out of the set.
std::vector<std::shared_ptr<Connection>> IoLoop::Snapshot() const {
  return {connections.begin(), connections.end()};
}

void IoLoop::CloseIdle() {
  for (const auto& connection : Snapshot()) connection->CloseIfIdle();
}

void IoLoop::CutAll() {
  for (const auto& connection : Snapshot()) connection->Cut();
}

void IoLoop::Join() {
  asio::post(context, [this] {
    ended_ = true;
    timer_.cancel();
  });
  guard_.reset();
  thread_.join();
}

// One timer for all connections: time-outs need no more precision, and a timer for each operation
// would cost more than the request.
void IoLoop::Tick() {
  const absl::Time now = absl::Now();
  for (const auto& connection : Snapshot()) connection->CheckTime(now);
  const HttpServerOptions& options = shared.options;
  const absl::Duration shortest =
      std::min({options.head_timeout, options.idle_timeout, options.stall_timeout});
  timer_.expires_after(absl::ToChronoNanoseconds(
      std::clamp(shortest / 4, absl::Milliseconds(10), absl::Seconds(1))));
  timer_.async_wait([this](const ErrorCode& error) {
    if (!error && !ended_) Tick();
  });
}

absl::string_view IoLoop::Date(absl::Time now) {
  if (const int64_t second = absl::ToUnixSeconds(now); second != date_second_) {
    date_second_ = second;
    date_ = FormatHttpDate(now);
  }
  return date_;
}

}  // namespace http_internal

using namespace http_internal;  // NOLINT(google-build-using-namespace): the other half of this file

namespace {

using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;

constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);
// Connections above the limit that are being told so; further ones are just closed.
constexpr size_t kMaxRefused = 64;

absl::StatusOr<Tcp::endpoint> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  ErrorCode error = asio::error::invalid_argument;
  const asio::ip::address_v4 host =
      colon == std::string::npos ? asio::ip::address_v4()
                                 : asio::ip::make_address_v4(address.substr(0, colon), error);
  if (error || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535)
    return absl::InvalidArgumentError(
        absl::StrCat("listen address \"", address, "\" is not IPV4-ADDRESS:PORT"));
  return Tcp::endpoint(host, static_cast<uint16_t>(port));
}

// Blocks signals, except those that a fault raises, for the threads that are started while it
// lives: the process's own handlers run elsewhere, and SIGPIPE of sendfile(2) stays pending for
// ever.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() {
    sigset_t signals;
    ::sigfillset(&signals);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF})
      ::sigdelset(&signals, fault);
    ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~ScopedSignalBlock() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;

 private:
  sigset_t before_;
};

absl::Status ToStatus(const ErrorCode& error, absl::string_view what) {
  return absl::ErrnoToStatus(error.value(), what);
}

}  // namespace

class HttpServer::Implementation {
 public:
  Implementation(const HttpServerOptions& options, HttpHandler& handler)
      : shared_(options, handler) {
    for (int i = 0; i < std::max(1, options.io_threads); ++i)
      loops_.push_back(std::make_shared<IoLoop>(shared_));
    acceptor_.emplace(loops_[0]->context);
    pause_.emplace(loops_[0]->context);
  }

  absl::Status Listen(const Tcp::endpoint& endpoint) {
    ErrorCode error;
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(Acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(Acceptor::max_listen_connections, error);
    if (error) return ToStatus(error, absl::StrCat("listen on ", shared_.options.address));
    port_ = acceptor_->local_endpoint(error).port();
    return error ? ToStatus(error, "getsockname") : absl::OkStatus();
  }

  void Run() {
    Accept();
    for (const auto& loop : loops_) loop->Start();
  }

  void Stop(absl::Time deadline) {
    if (std::exchange(stopped_, true)) return;
    shared_.draining = true;
    absl::Notification closed;  // from here on nothing is admitted
    asio::post(loops_[0]->context, [this, &closed] {
      ErrorCode ignored;  // the descriptor is gone in any case
      acceptor_->close(ignored);
      pause_->cancel();
      closed.Notify();
    });
    closed.WaitForNotification();
    for (const auto& loop : loops_) asio::post(loop->context, [loop] { loop->CloseIdle(); });
    if (!shared_.AwaitNone(deadline)) {
      for (const auto& loop : loops_) asio::post(loop->context, [loop] { loop->CutAll(); });
      shared_.AwaitNone(absl::InfiniteFuture());
    }
    for (const auto& loop : loops_) loop->Join();
    pause_.reset();
    acceptor_.reset();
  }

  uint16_t port() const { return port_; }

 private:
  // Loops take turns. One socket listens for all: with SO_REUSEPORT a second daemon on the same
  // port would silently get half of the clients.
  void Accept() {
    const std::shared_ptr<IoLoop> loop = loops_[next_loop_++ % loops_.size()];
    acceptor_->async_accept(loop->context, [this, loop](const ErrorCode& error, Socket socket) {
      if (!acceptor_->is_open()) return;
      if (error) return PauseAccepting();
      Admit(loop, std::move(socket));
      Accept();
    });
  }

  void Admit(const std::shared_ptr<IoLoop>& loop, Socket socket) {
    const size_t open = static_cast<size_t>(shared_.Count());
    const size_t limit = shared_.options.max_connections;
    if (open >= limit + kMaxRefused) return;
    shared_.Add(1);
    asio::post(loop->context, [loop, refuse = open >= limit, socket = std::move(socket)]() mutable {
      loop->Add(std::move(socket), refuse);
    });
  }

  // Out of descriptors or memory: accepting again at once would only spin.
  void PauseAccepting() {
    pause_->expires_after(absl::ToChronoNanoseconds(kAcceptPause));
    pause_->async_wait([this](const ErrorCode& error) {
      if (!error && acceptor_->is_open()) Accept();
    });
  }

  Shared shared_;  // owners of a loop beyond this: late handlers, which no longer use `shared`
  std::vector<std::shared_ptr<IoLoop>> loops_;
  std::optional<Acceptor> acceptor_;
  std::optional<Timer> pause_;
  size_t next_loop_ = 0;
  uint16_t port_ = 0;
  bool stopped_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

HttpServer::~HttpServer() { Stop(absl::InfinitePast()); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              HttpHandler& handler) {
  STOWAGE_ASSIGN_OR_RETURN(const Tcp::endpoint endpoint, ParseAddress(options.address));
  const ScopedSignalBlock signals;  // the pools and loops start their threads below
  auto implementation = std::make_unique<Implementation>(options, handler);
  STOWAGE_RETURN_IF_ERROR(implementation->Listen(endpoint));
  implementation->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(implementation)));
}

uint16_t HttpServer::port() const { return implementation_->port(); }

void HttpServer::Stop(absl::Time deadline) { implementation_->Stop(deadline); }

}  // namespace stowage
