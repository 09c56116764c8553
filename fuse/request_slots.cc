#include "fuse/request_slots.h"

#include <linux/fuse.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace stowage {
namespace {

// Stores that must happen in the order written, as seen by who maps the memory after us.
uint32_t Load(const char* place) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(const_cast<char*>(place)))
      .load(std::memory_order_acquire);
}

void Store(char* place, uint32_t value) {
  std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(place))
      .store(value, std::memory_order_release);
}

}  // namespace

static_assert(offsetof(fuse_in_header, len) == 0);
static_assert(kSessionSlotBytes % 4096 == 0 && kSessionHeaderBytes % 4096 == 0);

size_t RequestSlot::request_bytes() const {
  const size_t length = Load(bytes());
  return length >= sizeof(fuse_in_header) && length <= kCapacity ? length : 0;
}

uint64_t RequestSlot::unique() const {
  fuse_in_header header;
  std::memcpy(&header, bytes(), sizeof header);
  return header.unique;
}

uint32_t RequestSlot::attempts() const { return Load(memory_); }

void RequestSlot::CountAttempt() const { Store(memory_, attempts() + 1); }

void RequestSlot::UncountAttempt() const { Store(memory_, attempts() - 1); }

void RequestSlot::Clear() const {
  Store(bytes(), 0);
  Store(memory_, 0);
}

void RequestSlot::KeepPresent() const {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (size_t offset = 0; offset < kSessionSlotBytes; offset += page) {
    volatile char* const byte = memory_ + offset;
    *byte = *byte;  // a request may lie there
  }
  (void)::mlock(memory_, kSessionSlotBytes);  // refused by a small limit: then only swapping can
                                              // bring the EIO
}

absl::StatusOr<RequestSlots> RequestSlots::Map(const SavedSession& session) {
  void* const memory = ::mmap(nullptr, kSessionBytes - kSessionHeaderBytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED, session.fd(), kSessionHeaderBytes);
  if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "map the request slots");
  return RequestSlots(static_cast<char*>(memory));
}

RequestSlots::RequestSlots(RequestSlots&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)) {}

RequestSlots::~RequestSlots() {
  if (memory_ != nullptr) (void)::munmap(memory_, kSessionBytes - kSessionHeaderBytes);
}

}  // namespace stowage
