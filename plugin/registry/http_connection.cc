#include "plugin/registry/http_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/registry/http_head.h"
#include "plugin/registry/registry_error.h"

namespace stowage::http_internal {
namespace {

constexpr size_t kReadBytes = 4096;
// What one body may write before others get its thread.
constexpr uint64_t kSliceBytes = uint64_t{8} << 20;
constexpr absl::Duration kWaitOnPool = absl::Milliseconds(10);
constexpr absl::Duration kLinger = absl::Seconds(2);
// A handler that answers sooner needs no check for a client that has gone, and a client that ends
// its sending side right after a request still gets its answer.
constexpr absl::Duration kPeekAfter = absl::Seconds(1);
constexpr int kClientGone = 499;  // nginx's word for it in logs; never sent

// A client whose machine has gone while Nix was building for it sends nothing, not even an end.
void FindOutAboutVanishedClient(int fd) {
  constexpr std::pair<int, int> kOptions[] = {
      {TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}};
  const int on = 1;
  // Best effort: without it such a connection stays until the answer cannot be delivered.
  (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  for (const auto& [option, value] : kOptions)
    (void)::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

}  // namespace

Connection::Connection(std::shared_ptr<IoLoop> loop, Socket socket)
    : loop_(std::move(loop)),
      shared_(loop_->shared),
      socket_(std::move(socket)),
      deadline_(absl::Now() + shared_.options.head_timeout) {
  ErrorCode ignored;  // a client that has gone already is noticed by the first read
  const Tcp::endpoint peer = socket_.remote_endpoint(ignored);
  client_ = absl::StrCat(peer.address().to_string(ignored), ":", peer.port());
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);
  FindOutAboutVanishedClient(socket_.native_handle());
}

// Answers requests until one needs to be waited for.
void Connection::Serve() {
  while (state_ == State::kReading) {
    if (!ParseHead()) return;
    if (state_ == State::kReading) Dispatch();
  }
}

void Connection::Read() {
  if (buffer_.size() < received_ + kReadBytes) buffer_.resize(received_ + kReadBytes);
  socket_.async_read_some(asio::buffer(buffer_.data() + received_, kReadBytes),
                          [self = shared_from_this()](const ErrorCode& error, size_t count) {
                            if (self->state_ != State::kReading) return;
                            if (error) return self->Close();
                            if (self->received_ == 0)
                              self->deadline_ = absl::Now() + self->shared_.options.head_timeout;
                            self->received_ += count;
                            self->Serve();
                          });
}

// False: there is no whole request yet, and more is being read.
bool Connection::ParseHead() {
  const HttpServerOptions& options = shared_.options;
  if (!parser_) parser_.emplace(options.max_head_bytes, options.max_target_bytes);
  size_t consumed = 0;
  const RequestParser::Result result =
      parser_->Parse(absl::string_view(buffer_).substr(0, received_), consumed);
  std::copy(buffer_.data() + consumed, buffer_.data() + received_, buffer_.data());
  received_ -= consumed;
  if (result == RequestParser::Result::kIncomplete) {
    Read();
    return false;
  }
  ++request_;
  begun_ = absl::Now();
  writer_.StartResponse(socket_.native_handle(), "");  // forgets the bytes of the last one
  method_ = std::string(parser_->method());
  target_ = std::string(parser_->target());
  if (result == RequestParser::Result::kRefused) Fail(parser_->error());
  return true;
}

void Connection::Dispatch() {
  const HttpRequest request = parser_->request();
  version_ = request.version;
  linger_ = parser_->has_body();
  keep_alive_ = parser_->keep_alive() && !linger_;
  state_ = State::kHandling;
  in_handle_ = true;
  shared_.handler.Handle(request,
                         [weak = weak_from_this(), number = request_](HttpResponse response) {
                           if (const std::shared_ptr<Connection> self = weak.lock())
                             self->Deliver(number, std::move(response));
                         });
  in_handle_ = false;
  if (!answer_) return;
  HttpResponse answer = *std::move(answer_);
  answer_.reset();
  Begin(std::move(answer));
}

// Takes the handler's answer, on any thread.
void Connection::Deliver(uint64_t request, HttpResponse response) {
  if (loop_->context.get_executor().running_in_this_thread() && in_handle_ && request == request_) {
    answer_ = std::move(response);
    return;
  }
  // Weak, since nothing runs what is posted after the server has been stopped, and the context
  // would then own its owner.
  asio::post(loop_->context,
             [weak = weak_from_this(), request, answer = std::move(response)]() mutable {
               const std::shared_ptr<Connection> self = weak.lock();
               if (!self || self->state_ != State::kHandling || self->request_ != request) return;
               self->Begin(std::move(answer));
               self->Serve();
             });
}

void Connection::Begin(HttpResponse response) {
  status_ = response.status;
  bytes_ = {};
  stream_.reset();
  std::optional<uint64_t> length;
  if (SharedBytes* bytes = std::get_if<SharedBytes>(&response.body)) {
    bytes_ = std::move(*bytes);
    length = response.head_content_length.value_or(bytes_.bytes.size());
  } else {
    stream_ = std::get<std::unique_ptr<BodyStream>>(std::move(response.body));
    length = stream_->size_bytes();
    if (!length && version_ == 10)
      return Fail(RegistryError{500, "UNKNOWN", "HTTP/1.0 has no chunked bodies", ""}.ToResponse());
  }
  if (shared_.draining) keep_alive_ = false;
  writer_.StartResponse(
      socket_.native_handle(),
      FormatHttpHead(response, {version_, keep_alive_, length, loop_->Date(absl::Now())}));
  if (method_ == "HEAD") {
    bytes_ = {};
    stream_.reset();
  }
  if (stream_) return RunSlice();
  SendBytes();
}

// Answers a request that is not understood, after which nothing more can be read.
void Connection::Fail(HttpResponse response) {
  keep_alive_ = false;
  linger_ = true;
  Begin(std::move(response));
}

void Connection::Refuse() {
  begun_ = absl::Now();
  Fail(RegistryError{503, "TOOMANYREQUESTS", "too many connections", ""}.ToResponse());
}

void Connection::SendBytes() {
  writer_.StartSlice(std::numeric_limits<uint64_t>::max());
  state_ = State::kSending;
  const absl::string_view left = bytes_.bytes.substr(writer_.body_bytes());
  bool done = false;
  if (left.empty()) {
    const absl::StatusOr<bool> flushed = writer_.FlushHead();
    if (!flushed.ok()) return CutBody(flushed.status());
    done = *flushed;
  } else {
    const absl::StatusOr<uint64_t> sent = writer_.Send(left, /*more=*/false);
    if (!sent.ok()) return CutBody(sent.status());
    done = *sent == left.size();
  }
  if (done) return Finish();
  AwaitWritable(State::kSending, [](Connection& self) {
    self.SendBytes();
    self.Serve();
  });
}

template <typename Next>
void Connection::AwaitWritable(State state, Next next) {
  state_ = state;
  deadline_ = absl::Now() + shared_.options.stall_timeout;
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this(), state, next](const ErrorCode& error) {
                       if (self->state_ != state) return;
                       if (error) return self->CutBody(absl::UnavailableError(error.message()));
                       next(*self);
                     });
}

void Connection::RunSlice() {
  state_ = State::kStreaming;
  const bool disk = stream_->work() == BodyStream::Work::kDisk;
  if (disk) ++shared_.disk_slices;
  (disk ? shared_.disk : shared_.processor).Submit([self = shared_from_this(), disk]() mutable {
    absl::StatusOr<bool> done = self->WriteSlice();
    while (disk && done.ok() && !*done && self->RoomComesSoon()) done = self->WriteSlice();
    if (disk) --self->shared_.disk_slices;
    asio::io_context& context = self->loop_->context;
    asio::post(context, [self = std::move(self), done = std::move(done)] { self->OnSlice(done); });
  });
}

// On a pool's thread, as is RoomComesSoon.
absl::StatusOr<bool> Connection::WriteSlice() {
  writer_.StartSlice(kSliceBytes);
  const absl::StatusOr<bool> done = stream_->Continue(writer_);
  return done.ok() && *done ? writer_.FlushHead() : done;
}

// While threads are to spare, waiting a moment for the client here saves two changes of thread for
// each socket buffer.
bool Connection::RoomComesSoon() {
  if (writer_.budget_used() || shared_.disk_slices > shared_.options.disk_threads) return false;
  pollfd socket = {socket_.native_handle(), POLLOUT, 0};
  return ::poll(&socket, 1, static_cast<int>(absl::ToInt64Milliseconds(kWaitOnPool))) > 0;
}

void Connection::OnSlice(const absl::StatusOr<bool>& done) {
  if (!done.ok()) {
    // Nothing has been sent yet, so the client can still be told.
    if (!writer_.started() && !absl::IsUnavailable(done.status())) {
      failure_ = done.status();
      Begin(ToRegistryError(done.status(), RegistrySubject::kBlob, "").ToResponse());
      return Serve();
    }
    return CutBody(done.status());
  }
  if (*done) {
    Finish();
    return Serve();
  }
  if (writer_.budget_used()) return RunSlice();
  AwaitWritable(State::kWaiting, [](Connection& self) { self.RunSlice(); });
}

// The response is with the kernel: goes on to the next request or ends.
void Connection::Finish() {
  LogAccess(std::exchange(failure_, absl::OkStatus()));
  bytes_ = {};
  stream_.reset();
  parser_.reset();
  if (keep_alive_ && !shared_.draining) {
    state_ = State::kReading;
    deadline_ = absl::Now() + shared_.options.idle_timeout;
  } else if (linger_) {
    Linger();
  } else {
    Close();
  }
}

// Reads and drops what the client still sends: closing with unread bytes would reset the connection
// and could take the answer with it (RFC 9112, 9.6).
void Connection::Linger() {
  if (state_ != State::kLingering) {
    state_ = State::kLingering;
    deadline_ = absl::Now() + kLinger;
    ErrorCode ignored;  // a client that has gone is noticed by the read
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  buffer_.resize(kReadBytes);
  socket_.async_read_some(asio::buffer(buffer_),
                          [self = shared_from_this()](const ErrorCode& error, size_t) {
                            if (self->state_ != State::kLingering) return;
                            if (error) return self->Close();
                            self->Linger();
                          });
}

void Connection::CutBody(const absl::Status& why) {
  LogAccess(why);
  Close();
}

void Connection::LogAccess(const absl::Status& body_status) {
  if (!shared_.options.on_access) return;
  shared_.options.on_access({client_, method_, target_, status_, writer_.body_bytes(),
                             absl::Now() - begun_, body_status});
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ErrorCode ignored;  // the descriptor is gone in any case
  socket_.close(ignored);
  stream_.reset();
  loop_->connections.erase(shared_from_this());
  shared_.Add(-1);
}

void Connection::CloseIfIdle() {
  const bool idle = state_ == State::kReading && received_ == 0;
  if (idle || state_ == State::kLingering) Close();
}

void Connection::Cut() {
  if (state_ == State::kStreaming) {
    // Makes the slice fail; its end then closes the connection.
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
    return;
  }
  if (state_ == State::kSending || state_ == State::kWaiting || state_ == State::kHandling) {
    if (state_ == State::kHandling) status_ = kClientGone;
    return CutBody(absl::CancelledError("the server was stopped"));
  }
  Close();
}

void Connection::CheckTime(absl::Time now) {
  if (state_ == State::kHandling && now - begun_ > kPeekAfter) {
    char byte;
    const ssize_t count = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) return;
    status_ = kClientGone;
    return CutBody(absl::CancelledError("the client left before the answer was there"));
  }
  if (state_ == State::kHandling || state_ == State::kStreaming || now < deadline_) return;
  if (state_ == State::kSending || state_ == State::kWaiting)
    return CutBody(absl::DeadlineExceededError("the client did not take its answer"));
  Close();
}

}  // namespace stowage::http_internal
