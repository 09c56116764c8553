#include "fuse/waiting_requests.h"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/monotonic_clock.h"
#include "base/status_macros.h"
#include "fuse/request_loop.h"

namespace stowage {
namespace {

constexpr size_t kServingThreads = 4;
constexpr absl::Duration kLogInterval = absl::Minutes(1);
constexpr uint64_t kSigkillBit = uint64_t{1} << (9 - 1);

// Whether a thread is about to die; it cannot before its request is answered. FUSE_INTERRUPT would
// tell that it got *some* signal, once, to the worker of that moment; with a signal that does not
// end it a program must go on waiting, as it does not expect EINTR of an open(2).
bool IsDying(pid_t thread) {
  if (thread <= 0) return false;  // of a PID namespace that is none of ours
  const auto status = ReadFile(absl::StrCat("/proc/", thread, "/status"), 16384);
  if (!status.ok()) return absl::IsNotFound(status.status());
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    if (!absl::ConsumePrefix(&line, "SigPnd:") && !absl::ConsumePrefix(&line, "ShdPnd:")) continue;
    uint64_t signals = 0;
    if (absl::SimpleHexAtoi(line, &signals) && (signals & kSigkillBit) != 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WaitingRequests>> WaitingRequests::Start(UniqueFd state_directory,
                                                                        Options options) {
  std::unique_ptr<WaitingRequests> requests(new WaitingRequests(std::move(options)));
  WaitingRequests* const raw = requests.get();
  raw->pool_ = std::make_unique<ThreadPool>(kServingThreads);
  FetchClient::Options client;
  client.patience = raw->options_.patience_away;
  client.on_answer = [raw](uint64_t object, int error) { raw->ObjectAnswered(object, error); };
  client.on_tick = [raw] { raw->EndOverdue(); };
  client.log = raw->options_.log;
  STOWAGE_ASSIGN_OR_RETURN(raw->client_,
                           FetchClient::Start(std::move(state_directory), std::move(client)));
  return requests;
}

WaitingRequests::~WaitingRequests() {
  client_.reset();
  pool_.reset();
  absl::flat_hash_map<uint64_t, std::vector<Waiting>> left;
  {
    const absl::MutexLock lock(&mutex_);
    left.swap(waiting_);
  }
  for (auto& [object, requests] : left)
    for (const Waiting& waiting : requests) FuseReply(waiting.request).Error(EIO);
}

void WaitingRequests::Add(uint64_t object, FuseReply& reply, Serve serve) {
  std::optional<KeptRequest> kept = RequestLoop::KeepServedRequest();
  if (!kept) return TurnAway(object, reply);
  const fuse_req_t request = reply.request();
  Waiting waiting = {request, std::move(serve), fuse_req_ctx(request)->pid, MonotonicTime(),
                     *std::move(kept)};
  const absl::MutexLock lock(&mutex_);
  client_->Want(object);  // its answer waits for the lock
  waiting_[object].push_back(std::move(waiting));
  (void)reply.Release();  // ours from here on, where nothing can throw any longer
}

void WaitingRequests::TurnAway(uint64_t object, FuseReply& reply) {
  reply.Error(EIO);
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Duration now = MonotonicTime();
    if (now < next_log_) return;
    next_log_ = now + kLogInterval;
  }
  options_.log(LogLevel::kError,
               absl::StrCat("reader_turned_away object=", object,
                            " error=\"others wait for store paths with all of the ", kSessionSlots,
                            " request slots that outlive this process, and without "
                            "FUSE_NOTIFY_RESEND (Linux 6.9) only those do; the reader got EIO and "
                            "may look again\""));
}

void WaitingRequests::ObjectAnswered(uint64_t object, int error) {
  std::vector<Waiting> answered;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = waiting_.find(object);
    if (found == waiting_.end()) return;
    answered = std::move(found->second);
    waiting_.erase(found);
  }
  for (Waiting& waiting : answered) {
    if (error != 0) {
      FuseReply(waiting.request).Error(error);
      continue;
    }
    // Serving reads the store's disk. Owners: the pool's queue alone; std::function wants a copy.
    auto shared = std::make_shared<Waiting>(std::move(waiting));
    pool_->Submit([shared] {
      shared->kept.CountAttempt();
      FuseReply reply(shared->request);
      try {
        shared->serve(reply);
      } catch (...) {
        // Out of memory; the reply's destructor says EIO.
      }
    });
  }
}

absl::flat_hash_set<pid_t> WaitingRequests::DyingCallers() {
  absl::flat_hash_set<pid_t> callers;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [object, requests] : waiting_)
      for (const Waiting& waiting : requests) callers.insert(waiting.caller);
  }
  absl::erase_if(callers, [](pid_t caller) { return !IsDying(caller); });
  return callers;
}

void WaitingRequests::EndOverdue() {
  const absl::flat_hash_set<pid_t> dying = DyingCallers();
  const absl::Duration now = MonotonicTime();
  std::vector<std::pair<Waiting, int>> ended;
  {
    const absl::MutexLock lock(&mutex_);
    std::vector<uint64_t> forgotten;
    for (auto& [object, requests] : waiting_) {
      std::vector<Waiting> left;
      for (Waiting& waiting : requests) {
        const bool killed = dying.contains(waiting.caller);
        const bool overdue = now - waiting.since > options_.patience;
        if (killed || overdue) {
          ended.emplace_back(std::move(waiting), killed ? EINTR : EIO);
        } else {
          left.push_back(std::move(waiting));
        }
      }
      requests.swap(left);
      if (requests.empty()) forgotten.push_back(object);
    }
    for (const uint64_t object : forgotten) {
      waiting_.erase(object);
      client_->Forget(object);
    }
  }
  for (const auto& [waiting, error] : ended) FuseReply(waiting.request).Error(error);
}

}  // namespace stowage
