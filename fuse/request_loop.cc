#include "fuse/request_loop.h"

#include <linux/fuse.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fuse/init_reply.h"

namespace stowage {
namespace {

// What the kernel wants of a buffer for read(2) (Linux: fs/fuse/dev.c, fuse_dev_do_read).
static_assert(RequestSlot::kCapacity >= FUSE_MIN_READ_BUFFER);
static_assert(RequestSlot::kCapacity >=
              sizeof(fuse_in_header) + sizeof(fuse_write_in) + kMaxWriteBytes);

// The kernel's ENOENT says that the request has been answered before.
void AnswerEio(int fuse_fd, uint64_t unique) {
  fuse_out_header reply{};
  reply.len = sizeof reply;
  reply.error = -EIO;
  reply.unique = unique;
  (void)!::write(fuse_fd, &reply, sizeof reply);
}

}  // namespace

RequestLoop::RequestLoop(LibfuseSession* session, const RequestSlots* slots, Options options,
                         UniqueFd ended_fd)
    : session_(session),
      slots_(slots),
      options_(std::move(options)),
      ended_fd_(std::move(ended_fd)) {}

absl::StatusOr<std::unique_ptr<RequestLoop>> RequestLoop::Start(LibfuseSession* session,
                                                                const RequestSlots* slots,
                                                                Options options) {
  UniqueFd ended_fd(::eventfd(0, EFD_CLOEXEC));
  if (!ended_fd) return absl::ErrnoToStatus(errno, "make an eventfd");
  std::unique_ptr<RequestLoop> owned(
      new RequestLoop(session, slots, std::move(options), std::move(ended_fd)));
  RequestLoop* const loop = owned.get();
  loop->SortSlots();
  const auto threads = static_cast<size_t>(loop->options_.threads);
  loop->running_ = loop->replaying_ = loop->options_.threads + 1;
  for (size_t i = 0; i < threads; ++i) {
    loop->threads_.emplace_back([loop, i, threads] {
      loop->RunThread([&] {
        // Its share: from each `threads` slots one.
        std::vector<RequestSlot> share;
        for (size_t j = i; j < loop->left_.size(); j += threads) share.push_back(loop->left_[j]);
        loop->Replay(share);
        loop->ServeUntilEnd();
      });
    });
  }
  loop->threads_.emplace_back([loop] { loop->RunThread([&] { loop->Replay(loop->suspects_); }); });
  return owned;
}

void RequestLoop::SortSlots() {
  const absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < kSessionSlots; ++i) {
    const RequestSlot slot = slots_->At(i);
    (slot.request_bytes() == 0 ? free_ : slot.attempts() < 2 ? left_ : suspects_).push_back(slot);
  }
  std::stable_sort(
      suspects_.begin(), suspects_.end(),
      [](const RequestSlot& a, const RequestSlot& b) { return a.attempts() < b.attempts(); });
}

RequestSlot RequestLoop::TakeFreeSlot() {
  const auto some_free = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !free_.empty(); };
  const absl::MutexLock lock(&mutex_, absl::Condition(&some_free));
  const RequestSlot slot = free_.back();
  free_.pop_back();
  return slot;
}

void RequestLoop::GiveBack(const RequestSlot& slot) {
  const absl::MutexLock lock(&mutex_);
  free_.push_back(slot);
}

thread_local RequestLoop::Served* RequestLoop::served_ = nullptr;

std::optional<KeptRequest> RequestLoop::KeepServedRequest() {
  if (served_ == nullptr) return std::nullopt;
  RequestLoop& loop = *served_->loop;
  if (++loop.kept_ > static_cast<int>(kSessionSlots) - loop.options_.threads) {
    --loop.kept_;
    if (!loop.options_.resend) return std::nullopt;
    return KeptRequest();
  }
  served_->kept = true;
  served_->slot->UncountAttempt();
  return KeptRequest(&loop, *served_->slot);
}

KeptRequest::~KeptRequest() {
  if (slot_) loop_->Release(*slot_);
}

void RequestLoop::Release(const RequestSlot& kept) {
  kept.Clear();
  GiveBack(kept);
  --kept_;
}

bool RequestLoop::Serve(const RequestSlot& slot, size_t size) {
  Served served = {this, &slot, false};
  slot.CountAttempt();
  served_ = &served;
  session_->Process(slot.bytes(), size);
  served_ = nullptr;
  return !served.kept;
}

void RequestLoop::RunThread(absl::FunctionRef<void()> body) noexcept {
  try {
    body();
  } catch (...) {
    options_.log(LogLevel::kError, "serving_thread_ended error=\"out of memory\"");
  }
  if (--running_ > 0) return;
  const uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  (void)!::write(ended_fd_.get(), &one, sizeof one);
}

void RequestLoop::Replay(absl::Span<const RequestSlot> slots) {
  for (const RequestSlot& slot : slots) {
    if (slot.attempts() >= kMaxAttempts) {
      options_.log(LogLevel::kError,
                   absl::StrCat("request_given_up unique=", slot.unique(),
                                " error=\"every worker that served it ended; answered EIO\""));
      AnswerEio(session_->fd(), slot.unique());
    } else {
      ++replayed_;
      if (!Serve(slot, slot.request_bytes())) continue;
    }
    slot.Clear();
    GiveBack(slot);
  }
  if (--replaying_ > 0) return;
  if (replayed_ > 0)
    options_.log(LogLevel::kInfo, absl::StrCat("requests_replayed count=", replayed_.load()));
  options_.on_replayed();
}

void RequestLoop::ServeUntilEnd() {
  std::optional<RequestSlot> slot;
  while (true) {
    if (!slot) {
      slot = TakeFreeSlot();
      slot->KeepPresent();
    }
    slot->Clear();
    const ssize_t size = ::read(session_->fd(), slot->bytes(), RequestSlot::kCapacity);
    if (size > 0) {
      if (!Serve(*slot, static_cast<size_t>(size))) slot.reset();
      continue;
    }
    // ENOENT: the request was interrupted before we got it.
    if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) continue;
    // ENODEV: unmounted everywhere, or aborted.
    if (size < 0 && errno != ENODEV && errno != ECONNABORTED)
      options_.log(LogLevel::kError,
                   absl::StrCat("read_request_failed error=\"", std::strerror(errno), "\""));
    break;
  }
  GiveBack(*slot);
}

}  // namespace stowage
