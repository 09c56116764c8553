#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "fuse/kept_request.h"
#include "fuse/libfuse_session.h"
#include "fuse/request_slots.h"

namespace stowage {

// Threads that read requests from one descriptor into slots and serve them, until the kernel says
// that the connection has ended. First they serve what earlier workers left in the slots.
//
// A request that ends its worker whenever it is served would end every worker: after kMaxAttempts
// it is answered EIO. Those that were there more than once are served one after the other beside
// everything else, the one tried least first, so that its neighbours are not lost with it.
class RequestLoop {
 public:
  static constexpr uint32_t kMaxAttempts = 8;

  struct Options {
    int threads = 1;  // 1 to kMaxThreads
    // Whether the next worker gets from the kernel what has no slot (FUSE_NOTIFY_RESEND).
    bool resend = false;
    // Called once, by some thread, when all those are answered.
    std::function<void()> on_replayed;
    LogFunction log;
  };

  // session: initialised; borrowed as `slots`, both outlive the loop. Errors: the errno's.
  static absl::StatusOr<std::unique_ptr<RequestLoop>> Start(LibfuseSession* session,
                                                            const RequestSlots* slots,
                                                            Options options);
  // Waits for the end of the connection.
  ~RequestLoop() = default;
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;

  // Readable once every thread has ended.
  int ended_fd() const { return ended_fd_.get(); }

  // For the handler of a request, on its thread: the request will be answered later. It keeps its
  // slot, unless too few would be left for the threads: then the kernel sends it to the next
  // worker. Nothing if the kernel does not: the request would be lost with this worker.
  static std::optional<KeptRequest> KeepServedRequest();

 private:
  friend class KeptRequest;
  // The request that a thread is serving.
  struct Served {
    RequestLoop* loop;
    const RequestSlot* slot;
    bool kept;
  };
  static thread_local Served* served_;

  RequestLoop(LibfuseSession* session, const RequestSlots* slots, Options options,
              UniqueFd ended_fd);
  // Sorts the slots into the three lists below.
  void SortSlots();
  // Runs one thread: whatever it throws ends that thread only.
  void RunThread(absl::FunctionRef<void()> body) noexcept;
  void Replay(absl::Span<const RequestSlot> slots);
  // A slot without a request; waits for one until enough is replayed.
  RequestSlot TakeFreeSlot() ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack(const RequestSlot& slot) ABSL_LOCKS_EXCLUDED(mutex_);
  void ServeUntilEnd();
  // False: the slot is kept, whoever keeps it gives it back.
  bool Serve(const RequestSlot& slot, size_t size);
  void Release(const RequestSlot& kept);

  LibfuseSession* const session_;
  const RequestSlots* const slots_;
  const Options options_;
  const UniqueFd ended_fd_;
  absl::Mutex mutex_;
  std::vector<RequestSlot> free_ ABSL_GUARDED_BY(mutex_);
  std::vector<RequestSlot> left_;      // requests of earlier workers, tried once
  std::vector<RequestSlot> suspects_;  // tried more often; least first
  std::atomic<int> kept_ = 0;          // slots of requests that are answered later
  std::atomic<int> running_ = 0;       // threads
  std::atomic<int> replaying_ = 0;     // threads that still replay
  std::atomic<int> replayed_ = 0;      // requests
  std::vector<std::jthread> threads_;  // last: joined before anything else goes
};

}  // namespace stowage
