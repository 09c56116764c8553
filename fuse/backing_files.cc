#include "fuse/backing_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "fuse/nodeid.h"
#include "fuse/passthrough.h"

namespace stowage {
namespace {

// Ids behind the last one recorded that may be registered: one for each worker in a row that was
// killed between the registration and its record.
constexpr int32_t kMaxUnrecorded = 16;

}  // namespace

BackingFiles::BackingFiles(BackingTable table, int fuse_fd, LogFunction log)
    : fuse_fd_(fuse_fd), log_(std::move(log)), table_(std::move(table)) {}

absl::StatusOr<std::unique_ptr<BackingFiles>> BackingFiles::TakeOver(const SavedSession& session,
                                                                     int fuse_fd, LogFunction log) {
  STOWAGE_ASSIGN_OR_RETURN(BackingTable table, BackingTable::Map(session));
  std::unique_ptr<BackingFiles> files(new BackingFiles(std::move(table), fuse_fd, std::move(log)));
  const absl::MutexLock lock(&files->mutex_);
  absl::flat_hash_set<int32_t> kept;
  for (uint32_t number = 0; number < files->table_.used(); ++number) {
    const BackingRecord record = files->table_.Read(number);
    if (record.nodeid == 0) {
      files->free_.push_back(number);
      continue;
    }
    const auto [place, added] =
        files->places_.try_emplace(record.nodeid, Place{number, std::nullopt, true});
    if (record.opens == 0)
      files->GiveBack(place);
    else
      kept.insert(record.backing_id);
  }
  const int64_t last = files->table_.last_backing_id();
  for (int64_t id = std::max<int64_t>(last, 1); id <= last + kMaxUnrecorded; ++id) {
    const auto candidate = static_cast<int32_t>(id);
    if (candidate > 0 && !kept.contains(candidate))
      (void)UnregisterBackingFile(fuse_fd, candidate);  // normally there is none
  }
  return files;
}

int BackingFiles::Open(uint64_t nodeid, absl::FunctionRef<int(UniqueFd*)> open_file,
                       int32_t* backing_id) {
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto found = places_.find(nodeid); found != places_.end()) {
      *backing_id = CountOpen(found->second);
      return 0;
    }
  }
  UniqueFd file;
  if (const int error = open_file(&file); error != 0) return error;
  const absl::MutexLock lock(&mutex_);
  if (const auto found = places_.find(nodeid); found != places_.end()) {
    *backing_id = CountOpen(found->second);  // another thread was faster
    return 0;
  }
  return Register(nodeid, file.get(), backing_id);
}

// The lock is held from the registration to its record, so that at most one id is not recorded.
int BackingFiles::Register(uint64_t nodeid, int file_fd, int32_t* backing_id) {
  const std::optional<uint32_t> number = TakePlace();
  if (!number.has_value()) return ENFILE;
  *backing_id = 0;
  const int error = RegisterBackingFile(fuse_fd_, file_fd, backing_id);
  if (error == 0) table_.SetLastBackingId(*backing_id);
  table_.Write(*number, {nodeid, *backing_id, 1});
  places_.try_emplace(nodeid, Place{*number, std::nullopt, false});
  if (error != 0 && !std::exchange(refusal_logged_, true))
    log_(LogLevel::kWarning,
         absl::StrCat("passthrough_refused object=", ParseNodeId(nodeid).object, " error=\"",
                      std::strerror(error), "; such files are served by READ\""));
  return 0;
}

std::optional<uint32_t> BackingFiles::TakePlace() {
  if (free_.empty() && table_.used() == kBackingPlaces && !closed_.empty())
    GiveBack(places_.find(closed_.back()));
  if (free_.empty()) {
    if (table_.used() == kBackingPlaces) return std::nullopt;
    return table_.used();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  return number;
}

int32_t BackingFiles::CountOpen(Place& place) {
  if (place.closed.has_value()) closed_.erase(*std::exchange(place.closed, std::nullopt));
  const BackingRecord record = table_.Read(place.number);
  table_.SetOpens(place.number, record.opens + 1);
  return record.backing_id;
}

void BackingFiles::Close(uint64_t nodeid) {
  const absl::MutexLock lock(&mutex_);
  const auto found = places_.find(nodeid);
  if (found == places_.end()) return;  // forgotten while it was open
  Place& place = found->second;
  const BackingRecord record = table_.Read(place.number);
  if (record.opens == 0) return;
  table_.SetOpens(place.number, record.opens - 1);
  if (record.opens > 1) return;
  if (place.give_back_when_closed || record.backing_id == 0) return GiveBack(found);
  closed_.push_front(nodeid);
  place.closed = closed_.begin();
  if (closed_.size() > kMaxClosed) GiveBack(places_.find(closed_.back()));
}

void BackingFiles::GiveBack(Places::iterator found) {
  const Place place = found->second;
  // In this order a kill in between leaves a record of an id that is gone, which the next worker
  // clears; the kernel does not give the number away again soon.
  if (const int32_t id = table_.Read(place.number).backing_id; id > 0)
    (void)UnregisterBackingFile(fuse_fd_, id);
  table_.Clear(place.number);
  free_.push_back(place.number);
  if (place.closed.has_value()) closed_.erase(*place.closed);
  places_.erase(found);
}

void BackingFiles::Forget(std::optional<uint64_t> object_number) {
  const absl::MutexLock lock(&mutex_);
  for (auto place = places_.begin(); place != places_.end();) {
    const auto next = std::next(place);
    const bool is_open = !place->second.closed.has_value();
    if (object_number ? ParseNodeId(place->first).object == *object_number : !is_open)
      GiveBack(place);
    else if (!object_number)
      place->second.give_back_when_closed = true;
    place = next;
  }
}

}  // namespace stowage
