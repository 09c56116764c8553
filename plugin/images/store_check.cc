#include "plugin/images/store_check.h"

#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "layering/layer_archive.h"
#include "plugin/images/idle_hash.h"

namespace stowage {
namespace {

constexpr time_t kNixTime = 1;  // Nix: libstore, canonicaliseTimestampAndPermissions

// How long the thread stays away from a layer: no more than a hundredth of a core goes into one
// that is in use all the time.
constexpr absl::Duration kShortestRest = absl::Seconds(10);
constexpr int kRestPerLook = 100;

struct CloseFts {
  void operator()(FTS* tree) const { ::fts_close(tree); }
};

}  // namespace

// The mtimes of a layer's files.
struct StoreCheck::Times {
  std::string changed;     // the first entry whose mtime is not Nix's; "" if there is none
  std::string store_path;  // that it is in
  size_t fingerprint = 0;  // of all such entries
  std::vector<std::string> base_names;
};

StoreCheck::StoreCheck(std::string store_directory, LayerTable* table,
                       std::function<void(absl::string_view)> warn)
    : store_directory_(std::move(store_directory)),
      table_(table),
      warn_(std::move(warn)),
      thread_([this] { Run(); }) {}

StoreCheck::~StoreCheck() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void StoreCheck::Run() {
  LeaveDiskToOthers();
  while (true) {
    mutex_.Lock();
    looking_ = false;
    mutex_.Await(absl::Condition(this, &StoreCheck::HasToDo));
    if (stopping_) break;
    const LayerRecord layer = queue_.front();
    queue_.pop_front();
    looking_ = true;
    mutex_.Unlock();
    Look(layer);
  }
  mutex_.Unlock();
}

absl::StatusOr<StoreCheck::Times> StoreCheck::LookAtTimes(const LayerRecord& layer) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects, table_->Objects({layer.id}));
  Times times;
  for (const ObjectRecord& object : objects) {
    times.base_names.push_back(object.base_name);
    std::string path = absl::StrCat(store_directory_, "/", object.base_name);
    char* const roots[] = {path.data(), nullptr};
    const std::unique_ptr<FTS, CloseFts> tree(
        ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr));
    if (tree == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
    while (const FTSENT* entry = ::fts_read(tree.get())) {
      if (stopping_) return absl::CancelledError("stopping");
      if (entry->fts_info == FTS_DP) continue;
      const bool readable = entry->fts_info != FTS_NS && entry->fts_info != FTS_DNR;
      if (!readable && entry->fts_level == FTS_ROOTLEVEL && entry->fts_errno == ENOENT) continue;
      if (readable && entry->fts_statp->st_mtime == kNixTime) continue;
      if (times.changed.empty()) {
        times.changed = entry->fts_path;
        times.store_path = path;
      }
      const struct stat none = {};
      const struct stat& status = readable ? *entry->fts_statp : none;
      times.fingerprint = absl::HashOf(times.fingerprint, status.st_ino, status.st_ctim.tv_sec,
                                       status.st_ctim.tv_nsec, absl::string_view(entry->fts_path));
    }
    if (errno != 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  }
  return times;
}

absl::StatusOr<std::string> StoreCheck::Compare(const LayerRecord& layer, const Times& times) {
  const std::function<bool()> stopping = [this] { return stopping_.load(); };
  STOWAGE_ASSIGN_OR_RETURN(const LayerArchive archive,
                           LayerArchive::ForStorePaths(store_directory_, times.base_names));
  StoppableSink sink(stopping);
  const absl::Status read = archive.Emit(0, archive.size_bytes(), sink);
  if (!read.ok() && !absl::IsDataLoss(read)) return read;  // says nothing about the content
  if (read.ok() && sink.Finish() == layer.diff_id) return std::string();
  // A path that was taken away or put back meanwhile has shown nothing of its content.
  STOWAGE_ASSIGN_OR_RETURN(const Times after, LookAtTimes(layer));
  if (after.fingerprint != times.fingerprint)
    return absl::NotFoundError("store paths came or went meanwhile");
  return absl::StrCat(times.changed, " was changed since Nix made it, and layer ",
                      layer.diff_id.ToString(), " with it: 'nix-store --repair-path ",
                      times.store_path, "' makes or fetches it again");
}

void StoreCheck::Look(const LayerRecord& layer) {
  const absl::Time began = absl::Now();
  const absl::StatusOr<Times> times = LookAtTimes(layer);
  if (absl::IsCancelled(times.status())) return;
  size_t right_times = 0;
  {
    const absl::MutexLock lock(&mutex_);
    right_times = known_[layer.id].right_times;
  }
  absl::StatusOr<std::string> change = std::string();
  if (!times.ok()) {
    change = times.status();
  } else if (!times->changed.empty() && times->fingerprint != right_times) {
    change = Compare(layer, *times);
  }
  if (absl::IsCancelled(change.status())) return;
  // What cannot be read now may be read later; what is missing is said by who looks for it.
  if (!change.ok() && !absl::IsNotFound(change.status()))
    warn_(absl::StrCat("store_check layer=", layer.diff_id.ToString(), " error=\"",
                       change.status().message(), "\""));
  bool is_new = false;
  {
    const absl::MutexLock lock(&mutex_);
    Known& known = known_[layer.id];
    known.queued = false;
    const absl::Time now = absl::Now();
    known.look_again = now + std::max(kShortestRest, kRestPerLook * (now - began));
    if (!change.ok()) return;
    is_new = known.change.empty() && !change->empty();
    known.change = *change;
    known.right_times = change->empty() ? times->fingerprint : 0;
  }
  if (is_new) warn_(absl::StrCat("store_path_changed ", *change));
}

absl::Status StoreCheck::Check(absl::Span<const LayerRecord> layers) {
  std::vector<std::pair<LayerRecord, std::string>> changed;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    for (const LayerRecord& layer : layers) {
      if (layer.kind != LayerKind::kStorePaths) continue;
      Known& known = known_[layer.id];
      if (!known.change.empty()) changed.emplace_back(layer, known.change);
      if (known.queued || now < known.look_again) continue;
      known.queued = true;
      queue_.push_back(layer);
    }
  }
  for (const auto& [layer, change] : changed) {
    STOWAGE_ASSIGN_OR_RETURN(const Times times, LookAtTimes(layer));
    if (!times.changed.empty()) return absl::DataLossError(change);
    const absl::MutexLock lock(&mutex_);
    known_[layer.id].change.clear();
  }
  return absl::OkStatus();
}

void StoreCheck::Drain() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &StoreCheck::HasNothingLeft));
}

}  // namespace stowage
