#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "fuse/saved_session.h"

namespace stowage {

// A file that is registered with the connection, or open without being registered.
struct BackingRecord {
  uint64_t nodeid;     // 0: nobody's
  int32_t backing_id;  // 0: not registered
  uint32_t opens;      // by the kernel
};

// The part of a saved session that outlives workers in data mode passthrough: which files have
// which backing id. Each call leaves the table right at whatever instruction the process is killed.
// Not thread-safe; one process at a time has it.
class BackingTable {
 public:
  // Errors: the errno's.
  static absl::StatusOr<BackingTable> Map(const SavedSession& session);
  ~BackingTable();
  BackingTable(BackingTable&& other) noexcept;
  BackingTable& operator=(BackingTable&&) = delete;

  // Places from 0 on that were ever used; below kBackingPlaces.
  uint32_t used() const;
  BackingRecord Read(uint32_t place) const;
  // place: one that is nobody's, at most used().
  void Write(uint32_t place, const BackingRecord& record);
  void SetOpens(uint32_t place, uint32_t opens);
  void Clear(uint32_t place);

  // The id that was registered last; 0: none yet.
  int32_t last_backing_id() const;
  void SetLastBackingId(int32_t backing_id);

 private:
  explicit BackingTable(char* memory) : memory_(memory) {}
  char* PlaceOf(uint32_t place) const;

  char* memory_;
};

}  // namespace stowage
