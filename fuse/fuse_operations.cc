#include "fuse/fuse_operations.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "fuse/file_system.h"
#include "fuse/fuse_reply.h"
#include "fuse/libfuse.h"
#include "fuse/libfuse_session.h"
#include "fuse/store_page_cache.h"
#include "fuse/waiting_requests.h"

namespace stowage {
namespace {

// Runs one handler, now and perhaps once more when a promised object is there. It answers the
// request and returns 0, or returns the error to answer with; EAGAIN: after naming the promised
// object. Whatever happens in it, the request is answered.
template <typename Handler>
void Serve(fuse_req_t request, Handler handler) noexcept {
  FuseReply reply(request);
  try {
    const auto& server = *static_cast<FuseServer*>(fuse_req_userdata(request));
    uint64_t promised = 0;
    const int error = handler(*server.file_system, reply, &promised);
    if (error == 0) return;
    if (error != EAGAIN) return reply.Error(error);
    server.waiting->Add(promised, reply, [handler, &server](FuseReply& later) {
      uint64_t again = 0;
      const int failed = handler(*server.file_system, later, &again);
      // Promised anew in this moment: its image was removed and pulled. Rather than waiting for
      // ever, the reader is told.
      if (failed != 0) later.Error(failed == EAGAIN ? EIO : failed);
    });
  } catch (...) {
    // Out of memory; the reply's destructor says EIO.
  }
}

void Init(void* /*user_data*/, fuse_conn_info* connection) { RequestCapabilities(connection); }

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  // The name is copied for a handler that waits; libfuse's goes with the request's buffer.
  Serve(request, [parent, name = std::string(name)](FileSystem& file_system, FuseReply& reply,
                                                    uint64_t* promised) {
    NodeAttributes attributes;
    const int error = file_system.Lookup(parent, name, &attributes, promised);
    if (error == 0) {
      reply.Entry(attributes);
    } else if (error == ENOENT && parent != kMountRootNodeId) {
      reply.NoEntryEver();
    } else {
      return error;
    }
    return 0;
  });
}

void GetAttr(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*file*/) {
  Serve(request, [node](FileSystem& file_system, FuseReply& reply, uint64_t* promised) {
    NodeAttributes attributes;
    const int error = file_system.GetAttributes(node, &attributes, promised);
    if (error == 0) reply.Attributes(attributes);
    return error;
  });
}

void ReadLink(fuse_req_t request, fuse_ino_t node) {
  Serve(request, [node](FileSystem& file_system, FuseReply& reply, uint64_t* promised) {
    std::string target;
    const int error = file_system.ReadLink(node, &target, promised);
    if (error == 0) reply.Link(target);
    return error;
  });
}

// In data mode cached ENOSYS: the kernel never sends OPEN or RELEASE again and keeps its pages.
// Sent once for the life of the mount, so it can never be taken back.
void Open(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*file*/) {
  Serve(request, [node](FileSystem& file_system, FuseReply& reply, uint64_t* promised) {
    int32_t backing_id = 0;
    const int error = file_system.Open(node, &backing_id, promised);
    if (error == 0 && !reply.Opened(backing_id)) file_system.Close(node);
    return error;
  });
}

// A release that is not taken was answered before, by a worker that was killed then or under the
// `unique` of FUSE_NOTIFY_RESEND: to count it twice would be worse than never.
void Release(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*file*/) {
  Serve(request, [node](FileSystem& file_system, FuseReply& reply, uint64_t* /*promised*/) {
    if (reply.Released()) file_system.Close(node);
    return 0;
  });
}

void OpenDir(fuse_req_t request, fuse_ino_t /*node*/, fuse_file_info* /*file*/) {
  FuseReply(request).Error(ENOSYS);
}

void Read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
          fuse_file_info* /*file*/) {
  Serve(request, [=](FileSystem& file_system, FuseReply& reply, uint64_t* promised) {
    OpenedFile file;
    const int error = file_system.OpenFile(node, &file, promised);
    if (error != 0) return error;
    const auto begin = static_cast<uint64_t>(offset);
    if (offset < 0 || begin >= file.size_bytes) {
      reply.Buffer(nullptr, 0);
      return 0;
    }
    const int fd = file.file->fd.get();
    const size_t count = std::min<uint64_t>(size, file.size_bytes - begin);
    if (const int failed = reply.File(fd, offset, count); failed != 0)
      file_system.ReportUnreadable(node, failed);
    if (!file.file->was_cached) DropFromPageCache(fd, offset, count);
    return 0;
  });
}

// Adds one entry to a READDIR or READDIRPLUS reply. False: it does not fit.
bool AddEntry(fuse_req_t request, const DirectoryEntry& entry, bool plus, std::vector<char>& buffer,
              size_t* used) {
  const std::string name(entry.name);
  const size_t room = buffer.size() - *used;
  size_t needed;
  const auto next = static_cast<off_t>(entry.next_offset);
  if (plus) {
    fuse_entry_param parameters = EntryOf(entry.attributes);
    if (!entry.complete) parameters.ino = 0;  // the kernel links nothing and asks when it must know
    needed = fuse_add_direntry_plus(request, buffer.data() + *used, room, name.c_str(), &parameters,
                                    next);
  } else {
    const struct stat status = StatOf(entry.attributes);
    needed = fuse_add_direntry(request, buffer.data() + *used, room, name.c_str(), &status, next);
  }
  if (needed > room) return false;
  *used += needed;
  return true;
}

void ReadDirectory(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, bool plus) {
  Serve(request, [=](FileSystem& file_system, FuseReply& reply, uint64_t* promised) {
    std::vector<char> buffer(size);
    size_t used = 0;
    const int error = file_system.ReadDirectory(
        node, static_cast<uint64_t>(offset),
        [&](const DirectoryEntry& entry) { return AddEntry(request, entry, plus, buffer, &used); },
        promised);
    // What was read before the damage is given first; the next call meets the error alone.
    if (error != 0 && used == 0) return error;
    reply.Buffer(buffer.data(), used);
    return 0;
  });
}

void ReadDir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             fuse_file_info* /*file*/) {
  ReadDirectory(request, node, size, offset, /*plus=*/false);
}

void ReadDirPlus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                 fuse_file_info* /*file*/) {
  ReadDirectory(request, node, size, offset, /*plus=*/true);
}

// Nothing in a store has extended attributes. ENOSYS spares the kernel all further requests, but
// what a container then sees is EOPNOTSUPP, with which containerd cannot compare a snapshot with
// its parent (continuity fs/diff_unix.go compareCapabilities, before its pull request 274).
void GetExtendedAttribute(fuse_req_t request, fuse_ino_t /*node*/, const char* /*name*/,
                          size_t /*size*/) {
  const auto& server = *static_cast<FuseServer*>(fuse_req_userdata(request));
  FuseReply(request).Error(server.extended_attributes ? ENODATA : ENOSYS);
}

void StatFs(fuse_req_t request, fuse_ino_t /*node*/) { FuseReply(request).FileSystemStatistics(); }

fuse_lowlevel_ops MakeOperations() {
  fuse_lowlevel_ops operations{};
  operations.init = Init;
  operations.lookup = Lookup;
  operations.getattr = GetAttr;
  operations.readlink = ReadLink;
  operations.open = Open;
  operations.release = Release;
  operations.read = Read;
  operations.opendir = OpenDir;
  operations.readdir = ReadDir;
  operations.readdirplus = ReadDirPlus;
  operations.getxattr = GetExtendedAttribute;
  operations.statfs = StatFs;
  return operations;
}

}  // namespace

const fuse_lowlevel_ops& FuseOperations() {
  static const fuse_lowlevel_ops operations = MakeOperations();
  return operations;
}

}  // namespace stowage
