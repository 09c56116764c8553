#pragma once

// Asio's side of HttpServer, private to http_connection.cc and http_server.cc.

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/parallel.h"
#include "base/thread_pool.h"
#include "plugin/registry/http_server.h"
#include "plugin/registry/request_parser.h"
#include "plugin/registry/socket_writer.h"

namespace stowage::http_internal {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Executor = asio::io_context::executor_type;  // known type: no virtual call for each operation
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Clock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

// What all threads of a server share.
struct Shared {
  Shared(const HttpServerOptions& o, HttpHandler& h)
      : options(o),
        handler(h),
        disk(static_cast<size_t>(std::max(1, o.disk_threads))),
        processor(o.processor_threads > 0 ? static_cast<size_t>(o.processor_threads)
                                          : AvailableCpus()) {}

  void Add(int difference) {
    const absl::MutexLock lock(&mutex);
    connections += difference;
  }
  int Count() {
    const absl::MutexLock lock(&mutex);
    return connections;
  }
  bool AwaitNone(absl::Time deadline) {
    const absl::MutexLock lock(&mutex);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return connections == 0; };
    return mutex.AwaitWithDeadline(absl::Condition(&none), deadline);
  }

  const HttpServerOptions options;
  HttpHandler& handler;
  ThreadPool disk;
  ThreadPool processor;
  std::atomic<int> disk_slices = 0;  // of bodies, queued and running on `disk`
  std::atomic<bool> draining = false;
  absl::Mutex mutex;
  int connections ABSL_GUARDED_BY(mutex) = 0;
};

class Connection;

// One I/O thread with its connections, which only it touches.
class IoLoop : public std::enable_shared_from_this<IoLoop> {
 public:
  explicit IoLoop(Shared& shared_state)
      : shared(shared_state), context(1), guard_(context.get_executor()), timer_(context) {}

  void Start();
  void Add(Socket socket, bool refuse);
  void CloseIdle();
  void CutAll();
  void Join();
  absl::string_view Date(absl::Time now);

  Shared& shared;  // not used any more once the loop has been joined
  asio::io_context context;
  absl::flat_hash_set<std::shared_ptr<Connection>> connections;  // until they are closed

 private:
  std::vector<std::shared_ptr<Connection>> Snapshot() const;
  void Tick();

  asio::executor_work_guard<Executor> guard_;
  Timer timer_;
  bool ended_ = false;
  std::thread thread_;
  int64_t date_second_ = -1;
  std::string date_;
};

// One client. All methods run on its loop's thread, except Deliver. While a slice of a body runs
// on a pool (kStreaming), the socket's descriptor is in use there and must not be closed.
// Owners: its loop until it is closed, besides pending operations and tasks; late answers come by
// weak pointer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<IoLoop> loop, Socket socket);

  void Start() { Serve(); }
  void Refuse();
  void CloseIfIdle();
  void Cut();
  void CheckTime(absl::Time now);

 private:
  enum class State { kReading, kHandling, kSending, kStreaming, kWaiting, kLingering, kClosed };

  void Serve();
  void Read();
  bool ParseHead();
  void Dispatch();
  void Deliver(uint64_t request, HttpResponse response);
  void Begin(HttpResponse response);
  void Fail(HttpResponse response);
  void SendBytes();
  void RunSlice();
  absl::StatusOr<bool> WriteSlice();
  bool RoomComesSoon();
  void OnSlice(const absl::StatusOr<bool>& done);
  template <typename Next>
  void AwaitWritable(State state, Next next);
  void Finish();
  void Linger();
  void CutBody(const absl::Status& why);
  void LogAccess(const absl::Status& body_status);
  void Close();

  const std::shared_ptr<IoLoop> loop_;  // first, so that the socket goes before its context
  Shared& shared_;
  Socket socket_;
  std::string client_;
  std::string buffer_;
  size_t received_ = 0;  // bytes at the front of buffer_ that are not consumed yet
  std::optional<RequestParser> parser_;
  State state_ = State::kReading;
  absl::Time deadline_;

  uint64_t request_ = 0;  // numbers requests, so that a late second answer is dropped
  bool in_handle_ = false;
  std::optional<HttpResponse> answer_;  // given during Handle
  std::string method_;
  std::string target_;
  int version_ = 11;
  bool keep_alive_ = true;
  bool linger_ = false;
  absl::Time begun_;
  int status_ = 0;
  SharedBytes bytes_;
  std::unique_ptr<BodyStream> stream_;
  absl::Status failure_;  // of a body before its first byte, which was answered with an error
  SocketWriter writer_;
};

}  // namespace stowage::http_internal
