#include "fuse/fetch_client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/monotonic_clock.h"

namespace stowage {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kConnectInterval = absl::Milliseconds(150);
constexpr absl::Duration kConnectionLasts = absl::Seconds(1);

absl::StatusOr<UniqueFd> ConnectTo(int state_directory_fd) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "make a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Through the descriptor: the directory's own path may be too long for a socket's address.
  (void)std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                      state_directory_fd, kFetchSocketName);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return absl::ErrnoToStatus(
        errno, absl::StrCat("connect to ", kFetchSocketName, " in the state directory"));
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FetchClient>> FetchClient::Start(UniqueFd state_directory,
                                                                Options options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return absl::ErrnoToStatus(errno, "make an eventfd");
  std::unique_ptr<FetchClient> client(
      new FetchClient(std::move(state_directory), std::move(wake), std::move(options)));
  client->thread_ = std::thread([raw = client.get()] { raw->Run(); });
  return client;
}

FetchClient::~FetchClient() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
}

void FetchClient::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread wakes as well.
  (void)!::write(wake_.get(), &one, sizeof one);
}

void FetchClient::Want(uint64_t object) {
  {
    const absl::MutexLock lock(&mutex_);
    wanted_.try_emplace(object, Wanted{MonotonicTime()});
  }
  Wake();
}

void FetchClient::Forget(uint64_t object) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = wanted_.find(object);
    if (found == wanted_.end()) return;
    if (found->second.asked) forgotten_.insert(object);
    wanted_.erase(found);
  }
  Wake();
}

void FetchClient::Poll() {
  bool idle;
  {
    const absl::MutexLock lock(&mutex_);
    idle = wanted_.empty();
  }
  const absl::Duration left = std::clamp(next_tick_ - MonotonicTime(), absl::ZeroDuration(), kTick);
  const int timeout_ms =
      idle ? -1
           : static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
  const short events = full_ ? POLLIN | POLLOUT : POLLIN;
  std::array<pollfd, 2> waiting = {{{wake_.get(), POLLIN, 0}, {connection_.get(), events, 0}}};
  (void)::poll(waiting.data(), connection_ ? 2 : 1, timeout_ms);  // EINTR: we look again
  if ((waiting[1].revents & ~POLLIN) != 0) full_ = false;
  uint64_t ignored;
  (void)!::read(wake_.get(), &ignored, sizeof ignored);  // EAGAIN: nobody has called
}

void FetchClient::Run() {
  while (true) {
    Poll();
    bool idle;
    {
      const absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      idle = wanted_.empty();
    }
    while (connection_ && ReadAnswer()) {
    }
    const absl::Duration now = MonotonicTime();
    if (!connection_ && !idle && now >= next_connect_) Connect();
    if (connection_ && !full_) Ask();
    if (idle || now < next_tick_) continue;
    next_tick_ = now + kTick;
    if (!connection_) GiveUp();
    options_.on_tick();
  }
}

void FetchClient::Connect() {
  const absl::Duration now = MonotonicTime();
  next_connect_ = now + kConnectInterval;
  absl::StatusOr<UniqueFd> connection = ConnectTo(state_directory_.get());
  if (connection.ok()) {
    connection_ = *std::move(connection);
    connected_at_ = now;
    return;
  }
  why_away_ = std::string(connection.status().message());
  away_since_ = std::min(away_since_, now);
}

void FetchClient::Disconnect(const std::string& reason) {
  connection_.Reset();
  full_ = false;
  // A stowaged that ends every connection at once is as good as none.
  const absl::Duration now = MonotonicTime();
  away_since_ = now - connected_at_ > kConnectionLasts ? now : std::min(away_since_, now);
  why_away_ = reason;
  const absl::MutexLock lock(&mutex_);
  for (auto& [object, wanted] : wanted_) wanted.asked = false;
  forgotten_.clear();
}

void FetchClient::Ask() {
  std::vector<FetchMessage> messages;
  {
    const absl::MutexLock lock(&mutex_);
    for (const uint64_t object : forgotten_)
      messages.push_back({FetchMessage::Kind::kForget, object});
    for (const auto& [object, wanted] : wanted_)
      if (!wanted.asked) messages.push_back({FetchMessage::Kind::kFetch, object});
  }
  for (const FetchMessage& message : messages) {
    if (!Send(message)) return;
    NoteSent(message);
  }
}

bool FetchClient::Send(const FetchMessage& message) {
  const std::string packet = EncodeFetchMessage(message);
  if (::send(connection_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(packet.size()))
    return true;
  // The kernel holds some hundred packets that stowaged has not read yet. The rest follows.
  full_ = errno == EAGAIN;
  if (!full_ && errno != EINTR)
    Disconnect(absl::StrCat("send to stowaged: ", std::strerror(errno)));
  return false;
}

void FetchClient::NoteSent(const FetchMessage& message) {
  const uint64_t object = message.object_number;
  const absl::MutexLock lock(&mutex_);
  if (message.kind == FetchMessage::Kind::kForget) {
    forgotten_.erase(object);
    return;
  }
  const auto found = wanted_.find(object);
  if (found != wanted_.end()) {
    found->second.asked = true;
  } else {
    forgotten_.insert(object);  // in this moment
  }
}

bool FetchClient::ReadAnswer() {
  std::array<char, kFetchMessageBytes + 1> packet;
  const ssize_t size = ::recv(connection_.get(), packet.data(), packet.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (size <= 0) {
    Disconnect(size == 0 ? "stowaged has ended"
                         : absl::StrCat("read from stowaged: ", std::strerror(errno)));
    return false;
  }
  const auto message = ParseFetchMessage({packet.data(), static_cast<size_t>(size)});
  if (!message.ok()) {
    Disconnect(absl::StrCat("stowaged sent ", message.status().message()));
    return false;
  }
  if (message->kind == FetchMessage::Kind::kFetched) Answer(message->object_number, 0);
  if (message->kind == FetchMessage::Kind::kFailed) Answer(message->object_number, EIO);
  return true;
}

void FetchClient::Answer(uint64_t object, int error) {
  {
    const absl::MutexLock lock(&mutex_);
    if (wanted_.erase(object) == 0) return;
  }
  options_.on_answer(object, error);
}

void FetchClient::GiveUp() {
  std::vector<uint64_t> given_up;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [object, wanted] : wanted_)
      if (MonotonicTime() - std::max(wanted.since, away_since_) > options_.patience)
        given_up.push_back(object);
  }
  if (given_up.empty()) return;
  options_.log(LogLevel::kError,
               absl::StrCat("stowaged_away objects=", given_up.size(), " error=\"", why_away_,
                            "; whoever waits for these store paths gets EIO\""));
  for (const uint64_t object : given_up) Answer(object, EIO);
}

}  // namespace stowage
