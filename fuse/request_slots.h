#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "fuse/saved_session.h"

namespace stowage {

// Where one thread reads a request and keeps it until it is answered: memory of the saved session,
// so that a worker killed at any instruction leaves the request to the next one.
//
// read(2) writes straight into it. The first word of a request is its length, which Clear() makes 0
// before the read: any other value afterwards is a request, whether or not the reader lived to see
// it. Killed between the reply and Clear(), a slot holds a request that was answered; to serve it
// once more is harmless, since the kernel never uses a `unique` twice and answers ENOENT.
// Not thread-safe; a slot belongs to one thread.
class RequestSlot {
 public:
  // 64 bytes for the count of attempts; the last 8 stay zero, so that a text ends inside.
  static constexpr size_t kCapacity = kSessionSlotBytes - 64 - 8;

  explicit RequestSlot(char* memory) : memory_(memory) {}

  char* bytes() const { return memory_ + 64; }  // kCapacity; aligned for uint64_t
  // Length of the request that is there; 0: none, or nothing that can be one.
  size_t request_bytes() const;
  uint64_t unique() const;  // of the request that is there

  // How often somebody began to serve the request; a worker that it kills leaves that behind.
  uint32_t attempts() const;
  void CountAttempt() const;
  // It waits, which ends nobody.
  void UncountAttempt() const;

  // Forgets the request: it is answered.
  void Clear() const;

  // Makes the pages present and keeps them so. A process that is killed while the kernel copies a
  // request into a page that is not there makes the request fail with EIO (Linux: fs/fuse/dev.c,
  // fuse_dev_do_read); into one that is there, the copy completes.
  void KeepPresent() const;

 private:
  char* memory_;
};

// All slots of a session, mapped.
class RequestSlots {
 public:
  // Errors: the errno's.
  static absl::StatusOr<RequestSlots> Map(const SavedSession& session);
  ~RequestSlots();
  RequestSlots(RequestSlots&& other) noexcept;
  RequestSlots& operator=(RequestSlots&&) = delete;

  // index: below kSessionSlots.
  RequestSlot At(size_t index) const { return RequestSlot(memory_ + index * kSessionSlotBytes); }

 private:
  explicit RequestSlots(char* memory) : memory_(memory) {}

  char* memory_;
};

}  // namespace stowage
