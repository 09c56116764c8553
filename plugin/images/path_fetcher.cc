#include "plugin/images/path_fetcher.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "nix/path_fetch.h"
#include "nix/store_path.h"
#include "plugin/images/object_paths.h"

namespace stowage {
namespace {

// Calls of Nix for those who wait, at a time: a small path need not wait behind a large one.
constexpr int kCallsForWaiters = 3;
// Nobody has waited for so long before the background goes on: who starts a program needs one path
// after the other, and the whole bandwidth.
constexpr absl::Duration kQuiet = absl::Seconds(1);
// From a pull to the first wait of its container, and from a start of stowaged until those who
// waited for the one before have asked again.
constexpr absl::Duration kStartGrace = absl::Seconds(2);
// A path that could not be had is not tried for everybody who asks in the next moment.
constexpr absl::Duration kFailureLasts = absl::Seconds(2);
constexpr absl::Duration kFirstRetry = absl::Seconds(15);  // in the background; doubles
constexpr absl::Duration kLastRetry = absl::Minutes(30);
constexpr absl::Duration kBackgroundInterval = absl::Seconds(1);

std::string StorePathOf(const ObjectRecord& object) {
  return absl::StrCat(kStoreDirectory, "/", object.base_name);
}

}  // namespace

PathFetcher::PathFetcher(Options options, LayerCatalog& catalog,
                         std::unique_ptr<ClosureReader> closures, LogFunction log)
    : options_(std::move(options)),
      catalog_(catalog),
      closures_(std::move(closures)),
      log_(std::move(log)),
      waited_at_(absl::Now() + kStartGrace) {
  for (int i = 0; i < kCallsForWaiters; ++i) threads_.emplace_back([this] { ServeWaiters(); });
  threads_.emplace_back([this] { ServeBackground(); });
}

PathFetcher::~PathFetcher() {
  stop_.request_stop();
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  for (auto& [object, fetch] : fetches_)
    for (const Waiter& waiter : fetch.waiters) waiter.done(false);
}

uint64_t PathFetcher::Want(int64_t object, Done done) {
  bool refused = false;
  uint64_t ticket;
  {
    const absl::MutexLock lock(&mutex_);
    ticket = ++tickets_;
    waited_at_ = std::max(waited_at_, absl::Now());
    const auto failed = failed_.find(object);
    refused = stopping_ || (failed != failed_.end() && !fetches_.contains(object) &&
                            absl::Now() - failed->second.at < kFailureLasts);
    if (!refused) {
      const auto [fetch, is_new] = fetches_.try_emplace(object);
      if (is_new) fetch->second.alone = failed != failed_.end();
      fetch->second.waiters.push_back({ticket, done});
    }
  }
  if (refused) done(false);
  return ticket;
}

void PathFetcher::Forget(uint64_t ticket) {
  const absl::MutexLock lock(&mutex_);
  for (auto fetch = fetches_.begin(); fetch != fetches_.end(); ++fetch) {
    std::vector<Waiter>& waiters = fetch->second.waiters;
    const auto found = std::find_if(waiters.begin(), waiters.end(),
                                    [&](const Waiter& w) { return w.ticket == ticket; });
    if (found == waiters.end()) continue;
    waiters.erase(found);
    if (waiters.empty() && !fetch->second.running) fetches_.erase(fetch);
    return;
  }
}

void PathFetcher::FetchInBackground(std::vector<int64_t> first) {
  const absl::MutexLock lock(&mutex_);
  first_.insert(first_.begin(), first.begin(), first.end());
  waited_at_ = absl::Now() + kStartGrace;
  failed_.clear();  // somebody has just asked for them, so they are worth a try
}

PathFetcher::Progress PathFetcher::progress() {
  Progress progress;
  const absl::MutexLock lock(&mutex_);
  for (const auto& [object, fetch] : fetches_)
    if (fetch.running) progress.fetching.push_back(fetch.store_path);
  std::sort(progress.fetching.begin(), progress.fetching.end());
  for (const auto& [object, failed] : failed_)
    if (catalog_.views().promises().Contains(object))
      progress.failures.push_back({failed.store_path, failed.error});
  return progress;
}

bool PathFetcher::MayTakeOneAlone() const {
  const auto running = std::count_if(fetches_.begin(), fetches_.end(), [](const auto& fetch) {
    return fetch.second.running && fetch.second.alone;
  });
  return running < kCallsForWaiters - 1;
}

bool PathFetcher::SomebodyWaits() const {
  const bool one_alone = MayTakeOneAlone();
  return std::any_of(fetches_.begin(), fetches_.end(), [&](const auto& fetch) {
    return !fetch.second.running && !fetch.second.waiters.empty() &&
           (one_alone || !fetch.second.alone);
  });
}

void PathFetcher::ServeWaiters() {
  const auto work = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || SomebodyWaits(); };
  while (true) {
    std::vector<int64_t> objects;
    {
      const absl::MutexLock lock(&mutex_, absl::Condition(&work));
      if (stopping_) return;
      objects = TakeWaitedFor();
    }
    FetchAll(objects);
    KeepWhatCameAlong();
  }
}

std::vector<int64_t> PathFetcher::TakeWaitedFor() {
  std::vector<int64_t> together;
  int64_t alone = 0;
  for (auto& [object, fetch] : fetches_) {
    if (fetch.running || fetch.waiters.empty()) continue;
    if (fetch.alone) {
      alone = object;
    } else {
      together.push_back(object);
    }
  }
  if (together.empty() && alone != 0 && MayTakeOneAlone()) together.push_back(alone);
  for (const int64_t object : together) fetches_[object].running = true;
  return together;
}

void PathFetcher::FetchAlone(const std::vector<ObjectRecord>& objects) {
  const absl::MutexLock lock(&mutex_);
  for (const ObjectRecord& object : objects) {
    const auto fetch = fetches_.find(object.number);
    if (fetch == fetches_.end()) continue;
    if (fetch->second.waiters.empty()) {
      fetches_.erase(fetch);
    } else {
      fetch->second.running = false;
      fetch->second.alone = true;
    }
  }
}

int64_t PathFetcher::NextInBackground() {
  const absl::Time now = absl::Now();
  if (!fetches_.empty()) return 0;
  const std::vector<int64_t> promised = catalog_.views().promises().All();
  const auto due = [&](int64_t object) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto failed = failed_.find(object);
    if (failed == failed_.end()) return true;
    const int doublings = std::min(failed->second.times - 1, 10);
    return now - failed->second.at >= std::min(kLastRetry, kFirstRetry * (1 << doublings));
  };
  while (!first_.empty()) {
    const int64_t object = first_.front();
    first_.pop_front();
    if (std::binary_search(promised.begin(), promised.end(), object)) return object;
  }
  if (now - waited_at_ < kQuiet) return 0;
  const auto next = std::find_if(promised.begin(), promised.end(), due);
  return next == promised.end() ? 0 : *next;
}

void PathFetcher::ServeBackground() {
  KeepWhatCameAlong();  // with an earlier daemon
  while (true) {
    int64_t object = 0;
    {
      const absl::MutexLock lock(&mutex_);
      object = stopping_ ? 0 : NextInBackground();
      if (object == 0) mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kBackgroundInterval);
      if (stopping_) return;
      if (object != 0) fetches_[object].running = true;
    }
    if (object == 0) continue;
    FetchAll({object});
    KeepWhatCameAlong();
  }
}

void PathFetcher::FetchAll(const std::vector<int64_t>& objects) {
  std::vector<ObjectRecord> pending;
  for (const int64_t number : objects) {
    auto object = catalog_.table().HeldObject(number);
    if (!object.ok()) {
      Finish(number, absl::StrCat("object ", number), object.status());
      continue;
    }
    {
      const absl::MutexLock lock(&mutex_);
      const auto fetch = fetches_.find(number);
      if (fetch != fetches_.end()) fetch->second.store_path = StorePathOf(*object);
    }
    pending.push_back(*std::move(object));
  }
  KeepValid(pending);
  if (pending.empty()) return;
  const size_t asked_for = pending.size();
  absl::Status status;
  if (const auto paths = PathsOf(pending); paths.ok()) {
    status = FetchPaths(*paths, options_.nix, {absl::Now() + options_.timeout, stop_.get_token()},
                        [&] { KeepValid(pending); });
  } else {
    status = paths.status();
  }
  KeepValid(pending);
  const bool others_fault = absl::IsFailedPrecondition(status) || absl::IsDeadlineExceeded(status);
  if (others_fault && asked_for > 1) return FetchAlone(pending);
  if (status.ok()) status = absl::InternalError("Nix ended without an error and without the path");
  for (const ObjectRecord& object : pending) Finish(object.number, StorePathOf(object), status);
}

void PathFetcher::KeepValid(std::vector<ObjectRecord>& pending) {
  const auto paths = PathsOf(pending);
  if (!paths.ok()) return;
  const auto hashes = closures_->NarHashes(*paths);
  if (!hashes.ok()) {
    log_(LogLevel::kWarning,
         absl::StrCat("ask_valid_paths_failed error=\"", hashes.status().message(), "\""));
    return;
  }
  std::vector<ObjectRecord> left;
  for (size_t i = 0; i < pending.size(); ++i) {
    if (const std::optional<Digest>& hash = (*hashes)[i]; hash) {
      Finish(pending[i].number, StorePathOf(pending[i]), Keep(pending[i], *hash));
    } else {
      left.push_back(std::move(pending[i]));
    }
  }
  pending.swap(left);
}

absl::Status PathFetcher::Keep(const ObjectRecord& object, const Digest& nar_hash) {
  if (nar_hash != object.nar_hash)
    return absl::DataLossError(
        absl::StrCat("it has the narHash ", nar_hash.ToString(), ", the image was made with ",
                     object.nar_hash.ToString(),
                     ": the build is not reproducible. Pull the image without "
                     "--lazy to make it of what there is now"));
  const absl::ReaderMutexLock keep_collecting_away(&catalog_.collecting());
  STOWAGE_RETURN_IF_ERROR(catalog_.table().HeldObject(object.number).status());
  STOWAGE_RETURN_IF_ERROR(catalog_.CheckListing(object));
  return catalog_.views().KeepPromise(object);
}

// What a fetched path refers to has come with it. Nix is asked about those only that are in the
// store directory: one lstat(2) for each promise, where its database is ten times as much.
void PathFetcher::KeepWhatCameAlong() {
  std::vector<int64_t> numbers = catalog_.views().promises().All();
  {
    const absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    const auto known = [this](int64_t number) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return fetches_.contains(number) || failed_.contains(number);
    };
    numbers.erase(std::remove_if(numbers.begin(), numbers.end(), known), numbers.end());
  }
  auto objects = catalog_.table().HeldObjects(numbers);
  if (!objects.ok()) return;
  const auto absent = [this](const ObjectRecord& object) {
    struct stat status;
    const std::string path = absl::StrCat(catalog_.store_directory(), "/", object.base_name);
    return ::lstat(path.c_str(), &status) != 0;
  };
  objects->erase(std::remove_if(objects->begin(), objects->end(), absent), objects->end());
  KeepValid(*objects);
}

void PathFetcher::Finish(int64_t object, const std::string& store_path,
                         const absl::Status& status) {
  std::vector<Waiter> waiters;
  bool new_failure = false;
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto fetch = fetches_.find(object); fetch != fetches_.end()) {
      waiters = std::move(fetch->second.waiters);
      fetches_.erase(fetch);
    }
    if (!waiters.empty()) waited_at_ = std::max(waited_at_, absl::Now());
    if (status.ok()) {
      failed_.erase(object);
    } else {
      Failed& failed = failed_[object];
      new_failure = failed.error != status.message();
      failed.store_path = store_path;
      failed.error = std::string(status.message());
      failed.at = absl::Now();
      ++failed.times;
    }
  }
  if (status.ok()) {
    log_(LogLevel::kDebug, absl::StrCat("path_fetched path=", store_path));
  } else if (new_failure && !absl::IsCancelled(status)) {
    log_(LogLevel::kError,
         absl::StrCat("path_not_fetched path=", store_path, " error=\"", status.message(), "\""));
  }
  for (const Waiter& waiter : waiters) waiter.done(status.ok());
}

}  // namespace stowage
