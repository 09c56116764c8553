#include "fuse/backing_table.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace stowage {
namespace {

constexpr size_t kLastIdAt = 0;
constexpr size_t kUsedAt = 8;
static_assert(sizeof(BackingRecord) == kBackingRecordBytes);
static_assert(kBackingTableBytes == kBackingHeaderBytes + kBackingPlaces * kBackingRecordBytes);

// As seen by who maps the memory after us: in the order written.
template <typename T>
T Load(const char* at) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(const_cast<char*>(at)))
      .load(std::memory_order_acquire);
}

template <typename T>
void Store(char* at, T value) {
  std::atomic_ref<T>(*reinterpret_cast<T*>(at)).store(value, std::memory_order_release);
}

}  // namespace

absl::StatusOr<BackingTable> BackingTable::Map(const SavedSession& session) {
  void* const memory = ::mmap(nullptr, kBackingTableBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                              session.fd(), kSessionBytes);
  if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "map the table of backing files");
  return BackingTable(static_cast<char*>(memory));
}

BackingTable::BackingTable(BackingTable&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)) {}

BackingTable::~BackingTable() {
  if (memory_ != nullptr) (void)::munmap(memory_, kBackingTableBytes);
}

char* BackingTable::PlaceOf(uint32_t place) const {
  return memory_ + kBackingHeaderBytes + place * kBackingRecordBytes;
}

uint32_t BackingTable::used() const {
  const auto used = Load<uint32_t>(memory_ + kUsedAt);
  return used <= kBackingPlaces ? used : kBackingPlaces;
}

BackingRecord BackingTable::Read(uint32_t place) const {
  const char* const at = PlaceOf(place);
  return {Load<uint64_t>(at), Load<int32_t>(at + offsetof(BackingRecord, backing_id)),
          Load<uint32_t>(at + offsetof(BackingRecord, opens))};
}

void BackingTable::Write(uint32_t place, const BackingRecord& record) {
  char* const at = PlaceOf(place);
  Store(at + offsetof(BackingRecord, backing_id), record.backing_id);
  Store(at + offsetof(BackingRecord, opens), record.opens);
  if (place >= used()) Store(memory_ + kUsedAt, place + 1);
  Store(at, record.nodeid);  // last: it makes the place somebody's
}

void BackingTable::SetOpens(uint32_t place, uint32_t opens) {
  Store(PlaceOf(place) + offsetof(BackingRecord, opens), opens);
}

void BackingTable::Clear(uint32_t place) { Store(PlaceOf(place), uint64_t{0}); }

int32_t BackingTable::last_backing_id() const { return Load<int32_t>(memory_ + kLastIdAt); }

void BackingTable::SetLastBackingId(int32_t backing_id) { Store(memory_ + kLastIdAt, backing_id); }

}  // namespace stowage
