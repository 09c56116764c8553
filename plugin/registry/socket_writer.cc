#include "plugin/registry/socket_writer.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

// One sendfile(2) at most; the system call moves no more than 2 GiB anyway.
constexpr uint64_t kMaxSendFileBytes = uint64_t{16} << 20;

bool IsFull(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

absl::Status ClientGone(int error) {
  return absl::UnavailableError(
      absl::StrCat("client has gone: ", absl::ErrnoToStatus(error, "send").message()));
}

// Errors that belong to the connection; any other of sendfile(2) belongs to the file.
bool IsConnectionError(int error) {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT ||
         error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN;
}

}  // namespace

void SocketWriter::StartResponse(int socket_fd, std::string head) {
  socket_fd_ = socket_fd;
  head_ = std::move(head);
  head_sent_ = 0;
  body_bytes_ = 0;
}

void SocketWriter::StartSlice(uint64_t budget_bytes) { budget_bytes_ = budget_bytes; }

void SocketWriter::CountBody(uint64_t bytes) {
  body_bytes_ += bytes;
  budget_bytes_ -= bytes;
}

absl::StatusOr<uint64_t> SocketWriter::Send(absl::string_view bytes, bool more) {
  uint64_t sent_body = 0;
  while (sent_body < bytes.size() && budget_bytes_ > 0) {
    const size_t head_left = head_.size() - head_sent_;
    const uint64_t body_left = std::min<uint64_t>(bytes.size() - sent_body, budget_bytes_);
    // The kernel does not write through iov_base.
    std::array<iovec, 2> pieces = {
        iovec{const_cast<char*>(head_.data()) + head_sent_, head_left},
        iovec{const_cast<char*>(bytes.data()) + sent_body, static_cast<size_t>(body_left)}};
    msghdr message = {};
    message.msg_iov = head_left > 0 ? pieces.data() : pieces.data() + 1;
    message.msg_iovlen = head_left > 0 ? 2 : 1;
    const bool rest = more || sent_body + body_left < bytes.size();
    const ssize_t count =
        ::sendmsg(socket_fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (rest ? MSG_MORE : 0));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && IsFull(errno)) break;
    if (count < 0) return ClientGone(errno);
    const size_t of_head = std::min(head_left, static_cast<size_t>(count));
    head_sent_ += of_head;
    sent_body += static_cast<size_t>(count) - of_head;
    CountBody(static_cast<size_t>(count) - of_head);
  }
  return sent_body;
}

absl::StatusOr<bool> SocketWriter::FlushHead(bool more) {
  while (head_sent_ < head_.size()) {
    const ssize_t count = ::send(socket_fd_, head_.data() + head_sent_, head_.size() - head_sent_,
                                 MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && IsFull(errno)) return false;
    if (count < 0) return ClientGone(errno);
    head_sent_ += static_cast<size_t>(count);
  }
  return true;
}

absl::StatusOr<uint64_t> SocketWriter::SendFile(int fd, uint64_t offset, uint64_t size) {
  if (size > 0) {
    const absl::StatusOr<bool> flushed = FlushHead(/*more=*/true);
    if (!flushed.ok()) return flushed.status();
    if (!*flushed) return 0;
  }
  uint64_t sent = 0;
  while (sent < size && budget_bytes_ > 0) {
    off_t position = static_cast<off_t>(offset + sent);
    const uint64_t step = std::min({size - sent, budget_bytes_, kMaxSendFileBytes});
    const ssize_t count = ::sendfile(socket_fd_, fd, &position, static_cast<size_t>(step));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && IsFull(errno)) break;
    if (count < 0 && IsConnectionError(errno)) return ClientGone(errno);
    if (count < 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("sendfile at offset ", offset + sent));
    if (count == 0)
      return absl::DataLossError(absl::StrCat("sendfile: file ends at ", offset + sent, ", ",
                                              size - sent, " bytes early"));
    sent += static_cast<uint64_t>(count);
    CountBody(static_cast<uint64_t>(count));
  }
  return sent;
}

}  // namespace stowage
