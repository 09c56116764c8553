#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "fuse/connection_settings.h"

namespace stowage {

// Where the parts of the memfd lie, since version 2 (docs/fuse.md).
inline constexpr size_t kSessionHeaderBytes = 8192;
inline constexpr size_t kSessionSlots = 128;
// Half, so that each thread has a slot although every thread of a killed worker has left a request.
// When several have, threads wait until some are answered (fuse/request_loop.h).
inline constexpr int kMaxThreads = 64;
inline constexpr size_t kSessionSlotBytes = 24576;
inline constexpr size_t kSessionBytes = kSessionHeaderBytes + kSessionSlots * kSessionSlotBytes;
// Behind that, in data mode passthrough only: fuse/backing_table.h.
inline constexpr size_t kBackingHeaderBytes = 4096;
inline constexpr size_t kBackingRecordBytes = 16;
inline constexpr uint32_t kBackingPlaces = 65536;
inline constexpr size_t kBackingTableBytes =
    kBackingHeaderBytes + kBackingPlaces * kBackingRecordBytes;

// What a connection must remember longer than any process that serves it lives: where it is
// mounted, the kernel's FUSE_INIT and the reply it got; behind those the request slots
// (fuse/request_slots.h) and the table of backing files. Kept in a memfd that keeper and worker
// hold, and the service manager.
//
// The header names the version that wrote it and the oldest version that can read it, so that
// either of two neighbouring programs can go on where the other stopped. After Create, keeper and
// worker each write only their own fields, whatever the other does. Not thread-safe. The object
// keeps the only descriptor of its process: closing another one would give up the process's role
// (fuse/session_role.h).
class SavedSession {
 public:
  // A new memfd. mount_point, device: as FuseMount has them.
  // Errors: the errno's; InvalidArgument for something too long.
  static absl::StatusOr<SavedSession> Create(const std::string& mount_point,
                                             const std::string& device,
                                             absl::string_view init_request,
                                             const ConnectionSettings& settings);
  // An inherited one. Changes nothing. Errors: FailedPrecondition, saying what to do, if its
  // version is not for this program; DataLoss for anything else.
  static absl::StatusOr<SavedSession> Adopt(UniqueFd memfd);

  const std::string& mount_point() const { return mount_point_; }
  const std::string& device() const { return device_; }
  const std::string& init_request() const { return init_request_; }
  const std::string& init_reply() const { return init_reply_; }  // "": no worker has answered yet
  DataMode data_mode() const { return settings_.data_mode; }
  bool extended_attributes() const { return settings_.extended_attributes; }
  uint32_t version() const { return version_; }  // of the program that wrote it
  int fd() const { return memfd_.get(); }

  // Errors: as Create.
  absl::Status SaveInitReply(absl::string_view init_reply);
  // Makes the session one of this program's version. For who takes it over, before serving.
  absl::Status Stamp();

 private:
  SavedSession() = default;
  absl::Status WriteAt(size_t place, absl::string_view bytes) const;

  UniqueFd memfd_;
  uint32_t version_ = 0;
  ConnectionSettings settings_;
  std::string mount_point_;
  std::string device_;
  std::string init_request_;
  std::string init_reply_;
};

}  // namespace stowage
