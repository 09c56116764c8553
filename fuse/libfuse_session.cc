#include "fuse/libfuse_session.h"

#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuse/init_reply.h"
#include "fuse/libfuse.h"

namespace stowage {
namespace {

// What the writev hook of this thread sees while FUSE_INIT is answered; null at any other time.
struct InitExchange {
  absl::string_view request;
  DataMode data_mode = DataMode::kCached;
  std::string reply;
  int error = 0;
};
thread_local InitExchange* current_init = nullptr;

thread_local int last_reply_error = 0;

ssize_t WriteInitReply(int fd, iovec* pieces, int count, InitExchange* exchange) {
  // pieces[0] is fuse_out_header, pieces[1] fuse_init_out.
  if (count == 2)
    CompleteInitReply(exchange->request, exchange->data_mode, pieces[1].iov_base,
                      pieces[1].iov_len);
  ssize_t total = 0;
  exchange->reply.clear();
  for (int i = 0; i < count; ++i) {
    exchange->reply.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    total += static_cast<ssize_t>(pieces[i].iov_len);
  }
  if (::writev(fd, pieces, count) < 0 && errno != ENOENT) exchange->error = errno;
  return total;
}

ssize_t WriteReply(int fd, iovec* pieces, int count, void* /*user_data*/) {
  if (current_init != nullptr) return WriteInitReply(fd, pieces, count, current_init);
  fuse_out_header header{};
  if (count > 0 && pieces[0].iov_len >= sizeof header)
    std::memcpy(&header, pieces[0].iov_base, sizeof header);
  last_reply_error = -header.error;
  return ::writev(fd, pieces, count);
}

ssize_t ReadRequest(int fd, void* buffer, size_t size, void* /*user_data*/) {
  return ::read(fd, buffer, size);
}

ssize_t SpliceReply(int fd_in, off_t* offset_in, int fd_out, off_t* offset_out, size_t size,
                    unsigned int flags, void* /*user_data*/) {
  last_reply_error = 0;  // an error is never sent so
  return ::splice(fd_in, offset_in, fd_out, offset_out, size, flags);
}

int AttachDescriptor(fuse_session* session, int fd) {
  fuse_custom_io io{};
  io.writev = WriteReply;
  io.read = ReadRequest;
  io.splice_send = SpliceReply;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  return fuse_session_custom_io_317(session, &io, sizeof io, fd);
#else
  return fuse_session_custom_io(session, &io, fd);
#endif
}

}  // namespace

int LastReplyError() { return last_reply_error; }

void RequestCapabilities(fuse_conn_info* connection) {
  // Infinite timeouts and nothing that changes: the kernel must drop pages only when told.
  constexpr unsigned kUnwanted = FUSE_CAP_AUTO_INVAL_DATA;
  // SPLICE_MOVE stays out: it would take the pages away from the store's own page cache.
  constexpr unsigned kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_READDIRPLUS |
                               FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS |
                               FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  fuse_unset_feature_flag(connection, kUnwanted);
  for (unsigned flag = 1; flag != 0; flag <<= 1)
    if ((kWanted & flag) != 0) (void)fuse_set_feature_flag(connection, flag);  // where offered
#else
  connection->want &= ~kUnwanted;
  connection->want |= kWanted & connection->capable;
#endif
}

absl::StatusOr<std::unique_ptr<LibfuseSession>> LibfuseSession::Create(
    const fuse_lowlevel_ops& operations, void* user_data, UniqueFd fuse_fd) {
  char name[] = "stowage-fuse";
  char* argv[] = {name, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, argv);
  fuse_session* session = fuse_session_new(&arguments, &operations, sizeof operations, user_data);
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return absl::InternalError("libfuse did not make a session");
  if (const int error = AttachDescriptor(session, fuse_fd.get()); error != 0) {
    fuse_session_destroy(session);
    return absl::ErrnoToStatus(error < 0 ? -error : error, "attach /dev/fuse to the session");
  }
  const int fd = fuse_fd.Release();  // the session closes it
  return std::unique_ptr<LibfuseSession>(new LibfuseSession(session, fd));
}

LibfuseSession::~LibfuseSession() { fuse_session_destroy(session_); }

absl::StatusOr<std::string> LibfuseSession::Initialise(absl::string_view init_request,
                                                       DataMode data_mode) {
  std::vector<uint64_t> copy(init_request.size() / sizeof(uint64_t) + 1);  // aligned
  std::memcpy(copy.data(), init_request.data(), init_request.size());
  InitExchange exchange;
  exchange.request = init_request;
  exchange.data_mode = data_mode;
  current_init = &exchange;
  Process(reinterpret_cast<char*>(copy.data()), init_request.size());
  current_init = nullptr;
  if (exchange.error != 0) return absl::ErrnoToStatus(exchange.error, "answer FUSE_INIT");
  fuse_out_header header{};
  if (exchange.reply.size() < sizeof header)
    return absl::FailedPreconditionError("libfuse gave no answer to FUSE_INIT");
  std::memcpy(&header, exchange.reply.data(), sizeof header);
  if (header.error != 0)
    return absl::FailedPreconditionError(
        absl::StrCat("libfuse refused the kernel's FUSE_INIT: ", std::strerror(-header.error)));
  return exchange.reply;
}

void LibfuseSession::Process(char* request, size_t size) {
  fuse_buf buffer{};
  buffer.mem = request;
  buffer.size = size;
  fuse_session_process_buf(session_, &buffer);
}

}  // namespace stowage
