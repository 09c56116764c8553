#include "plugin/images/fetch_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr int kBacklog = 16;
// Workers of one mount follow each other, so there is one and the one before.
constexpr size_t kMaxConnections = 64;
// Answers for one that reads none of them; the kernel holds some hundred more.
constexpr size_t kMaxUnsent = 100000;
constexpr absl::Duration kAcceptRetry = absl::Milliseconds(100);

absl::StatusOr<UniqueFd> Listen(const std::string& state_directory) {
  // Through a descriptor: the directory's own path may be too long for a socket's address.
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd directory,
                           OpenAt(AT_FDCWD, state_directory, O_PATH | O_DIRECTORY));
  if (::unlinkat(directory.get(), kFetchSocketName, 0) != 0 && errno != ENOENT)
    return absl::ErrnoToStatus(errno, "remove the socket of an earlier stowaged");
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "make a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (void)std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                      directory.get(), kFetchSocketName);
  if (::fchmod(fd.get(), 0600) != 0) return absl::ErrnoToStatus(errno, "set the mode");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return absl::ErrnoToStatus(errno, "bind");
  if (::listen(fd.get(), kBacklog) != 0) return absl::ErrnoToStatus(errno, "listen");
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FetchServer>> FetchServer::Start(const std::string& state_directory,
                                                                PathFetcher& fetcher,
                                                                LogFunction log) {
  absl::StatusOr<UniqueFd> listener = Listen(state_directory);
  if (!listener.ok())
    return Annotate(listener.status(),
                    absl::StrCat("listen on ", state_directory, "/", kFetchSocketName));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return absl::ErrnoToStatus(errno, "make an eventfd");
  std::unique_ptr<FetchServer> server(
      new FetchServer(*std::move(listener), fetcher, std::move(log)));
  server->answers_->wake = std::move(wake);
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

FetchServer::~FetchServer() {
  {
    const absl::MutexLock lock(&answers_->mutex);
    answers_->stopping = true;
  }
  const uint64_t one = 1;
  (void)!::write(answers_->wake.get(), &one, sizeof one);  // full: the thread wakes as well
  thread_.join();
  while (!connections_.empty()) Close(connections_.begin()->first);
}

void FetchServer::Run() {
  while (true) {
    std::vector<pollfd> waiting = {{answers_->wake.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    std::vector<uint64_t> numbers;
    for (const auto& [number, connection] : connections_) {
      const short events = connection.unsent.empty() ? POLLIN : POLLIN | POLLOUT;
      waiting.push_back({connection.fd.get(), events, 0});
      numbers.push_back(number);
    }
    (void)::poll(waiting.data(), waiting.size(), -1);  // EINTR: nothing is set, and we look again
    std::vector<Answer> answers;
    uint64_t ignored;
    (void)!::read(answers_->wake.get(), &ignored, sizeof ignored);  // EAGAIN: nobody has written
    {
      const absl::MutexLock lock(&answers_->mutex);
      if (answers_->stopping) return;
      answers.swap(answers_->answers);
    }
    for (const Answer& answer : answers) Queue(answer);
    for (size_t i = 0; i < numbers.size(); ++i) {
      Connection& connection = connections_[numbers[i]];
      const bool readable = (waiting[i + 2].revents & ~POLLOUT) != 0;
      if (!Send(connection) || (readable && !Read(numbers[i], connection))) Close(numbers[i]);
    }
    if (waiting[1].revents != 0) Accept();
  }
}

void FetchServer::Accept() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  // Without descriptors the next poll returns at once, and so would every other.
  if (!fd && (errno == EMFILE || errno == ENFILE)) absl::SleepFor(kAcceptRetry);
  if (!fd || connections_.size() >= kMaxConnections) return;
  connections_[++connections_made_].fd = std::move(fd);
}

bool FetchServer::Read(uint64_t number, Connection& connection) {
  std::array<char, kFetchMessageBytes + 1> packet;
  while (true) {
    const ssize_t size = ::recv(connection.fd.get(), packet.data(), packet.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    if (!Handle(number, connection, {packet.data(), static_cast<size_t>(size)})) return false;
  }
}

bool FetchServer::Handle(uint64_t number, Connection& connection, absl::string_view packet) {
  const auto message = ParseFetchMessage(packet);
  if (!message.ok()) {
    log_(LogLevel::kWarning, absl::StrCat("fetch_connection_closed error=\"the other side sent ",
                                          message.status().message(), "\""));
    return false;
  }
  const uint64_t object = message->object_number;
  if (message->kind == FetchMessage::Kind::kForget) {
    const auto found = connection.tickets.find(object);
    if (found == connection.tickets.end()) return true;
    fetcher_.Forget(found->second);
    connection.tickets.erase(found);
  } else if (message->kind == FetchMessage::Kind::kFetch && !connection.tickets.contains(object)) {
    connection.tickets[object] = fetcher_.Want(
        static_cast<int64_t>(object), [answers = answers_, number, object](bool fetched) {
          const absl::MutexLock lock(&answers->mutex);
          answers->answers.push_back({number, object, fetched});
          const uint64_t one = 1;
          (void)!::write(answers->wake.get(), &one, sizeof one);  // full: it wakes as well
        });
  }
  return true;
}

void FetchServer::Queue(const Answer& answer) {
  const auto found = connections_.find(answer.connection);
  if (found == connections_.end()) return;
  // Forgotten meanwhile: nobody waits for it.
  if (found->second.tickets.erase(answer.object) == 0) return;
  found->second.unsent.push_back(
      {answer.fetched ? FetchMessage::Kind::kFetched : FetchMessage::Kind::kFailed, answer.object});
}

bool FetchServer::Send(Connection& connection) {
  while (!connection.unsent.empty()) {
    const std::string packet = EncodeFetchMessage(connection.unsent.front());
    if (::send(connection.fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0)
      // Whoever never reads its answers is cut off, and asks again when it lives.
      return errno == EAGAIN && connection.unsent.size() <= kMaxUnsent;
    connection.unsent.pop_front();
  }
  return true;
}

void FetchServer::Close(uint64_t number) {
  const auto found = connections_.find(number);
  for (const auto& [object, ticket] : found->second.tickets) fetcher_.Forget(ticket);
  connections_.erase(found);
}

}  // namespace stowage
