#include "fuse/fuse_reply.h"

#include <linux/fuse.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "fuse/libfuse_session.h"
#include "fuse/passthrough.h"

namespace stowage {
namespace {

constexpr double kForever = 1e9;  // seconds; 32 years
constexpr blksize_t kBlockBytes = 4096;

double TimeoutOf(const NodeAttributes& attributes) { return attributes.immutable ? kForever : 0; }

}  // namespace

struct stat StatOf(const NodeAttributes& attributes) {
  struct stat status {};
  status.st_ino = attributes.nodeid;
  status.st_mode = attributes.mode;
  status.st_nlink = 1;  // of a directory: "not counted", as btrfs has it
  status.st_size = static_cast<off_t>(attributes.size_bytes);
  status.st_blksize = kBlockBytes;
  status.st_blocks = static_cast<blkcnt_t>((attributes.size_bytes + 511) / 512);
  status.st_atim = status.st_mtim = status.st_ctim = attributes.modified;
  return status;
}

fuse_entry_param EntryOf(const NodeAttributes& attributes) {
  fuse_entry_param entry{};
  entry.ino = attributes.nodeid;
  entry.attr = StatOf(attributes);
  entry.attr_timeout = kForever;  // a view's directory itself does not change, only its name may go
  entry.entry_timeout = TimeoutOf(attributes);
  return entry;
}

FuseReply::~FuseReply() {
  if (request_ != nullptr) Error(EIO);
}

void FuseReply::Error(int error) {
  (void)fuse_reply_err(request_, error);
  Sent();
}

void FuseReply::Entry(const NodeAttributes& attributes) {
  const fuse_entry_param entry = EntryOf(attributes);
  (void)fuse_reply_entry(request_, &entry);
  Sent();
}

void FuseReply::NoEntryEver() {
  fuse_entry_param entry{};  // nodeid 0: a negative entry
  entry.entry_timeout = kForever;
  (void)fuse_reply_entry(request_, &entry);
  Sent();
}

void FuseReply::Attributes(const NodeAttributes& attributes) {
  const struct stat status = StatOf(attributes);
  (void)fuse_reply_attr(request_, &status, TimeoutOf(attributes));
  Sent();
}

void FuseReply::Link(const std::string& target) {
  (void)fuse_reply_readlink(request_, target.c_str());
  Sent();
}

void FuseReply::Buffer(const char* bytes, size_t size) {
  (void)fuse_reply_buf(request_, bytes, size);
  Sent();
}

bool FuseReply::Opened(int32_t backing_id) {
  // libfuse has no place for the id before 3.17. It is the last word, once padding.
  struct {
    uint64_t handle;
    uint32_t flags;
    int32_t backing_id;
  } opened = {0, backing_id > 0 ? kOpenPassthrough : FOPEN_KEEP_CACHE, backing_id};
  static_assert(sizeof opened == sizeof(fuse_open_out));
  const int error = fuse_reply_buf(request_, reinterpret_cast<const char*>(&opened), sizeof opened);
  Sent();
  return error == 0;
}

bool FuseReply::Released() {
  const int error = fuse_reply_err(request_, 0);
  Sent();
  return error == 0;
}

int FuseReply::File(int fd, off_t offset, size_t size) {
  fuse_bufvec vector = FUSE_BUFVEC_INIT(size);
  vector.buf[0].flags =
      static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY);
  vector.buf[0].fd = fd;
  vector.buf[0].pos = offset;
  (void)fuse_reply_data(request_, &vector, static_cast<fuse_buf_copy_flags>(0));
  Sent();
  return LastReplyError();
}

void FuseReply::FileSystemStatistics() {
  // No blocks of its own, as other virtual file systems say it; df leaves those out.
  struct statvfs statistics {};
  statistics.f_bsize = statistics.f_frsize = kBlockBytes;
  statistics.f_namemax = 255;
  (void)fuse_reply_statfs(request_, &statistics);
  Sent();
}

}  // namespace stowage
