#include "plugin/snapshots/snapshot_index.h"

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

absl::Status DoesNotExist(absl::string_view shown) {
  return absl::NotFoundError(absl::StrCat("snapshot ", shown, " does not exist"));
}

}  // namespace

absl::StatusOr<StoredSnapshot> SnapshotIndex::Find(absl::string_view key) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return DoesNotExist(key);
  return found->second->row;
}

absl::StatusOr<StoredSnapshot> SnapshotIndex::FindRemote(absl::string_view chain_id,
                                                         int64_t parent_id) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = remote_.find({chain_id, parent_id});
  if (found == remote_.end()) return DoesNotExist(absl::StrCat("of chain ", chain_id));
  return found->second->row;
}

bool SnapshotIndex::Contains(absl::string_view key) const {
  const absl::ReaderMutexLock lock(&mutex_);
  return by_key_.contains(key);
}

absl::StatusOr<std::vector<ChainLink>> SnapshotIndex::Chain(int64_t id) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return DoesNotExist(absl::StrCat("number ", id));
  std::vector<ChainLink> chain;
  for (const Entry* link = found->second.get(); link != nullptr; link = link->parent)
    chain.push_back({link->row.id, link->row.is_remote(), link->layers});
  return chain;
}

bool SnapshotIndex::HasRemote(absl::string_view key) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = by_key_.find(key);
  const Entry* link = found == by_key_.end() ? nullptr : found->second;
  while (link != nullptr && !link->row.is_remote()) link = link->parent;
  return link != nullptr;
}

bool SnapshotIndex::HasChildren(int64_t id) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  return found != by_id_.end() && found->second->children > 0;
}

std::vector<StoredSnapshot> SnapshotIndex::Read(int64_t after_id, int limit) const {
  const absl::ReaderMutexLock lock(&mutex_);
  std::vector<StoredSnapshot> rows;
  for (auto next = by_id_.upper_bound(after_id);
       next != by_id_.end() && rows.size() < static_cast<size_t>(limit); ++next)
    rows.push_back(next->second->row);
  return rows;
}

void SnapshotIndex::Add(StoredSnapshot row, std::vector<int64_t> layers) {
  const absl::MutexLock lock(&mutex_);
  auto entry = std::make_unique<Entry>();
  entry->row = std::move(row);
  entry->layers = std::move(layers);
  const StoredSnapshot& added = entry->row;
  if (const auto parent = by_id_.find(added.parent_id); parent != by_id_.end()) {
    entry->parent = parent->second.get();
    ++parent->second->children;
  }
  by_key_.emplace(added.snapshot.name, entry.get());
  if (added.is_remote())
    remote_.emplace(std::pair(absl::string_view(added.chain_id), added.parent_id), entry.get());
  by_id_.emplace(added.id, std::move(entry));
}

void SnapshotIndex::Change(StoredSnapshot row) {
  const absl::MutexLock lock(&mutex_);
  Entry& entry = *by_id_.at(row.id);
  by_key_.erase(entry.row.snapshot.name);
  // The chain ID stays where it is: the key in remote_ lies in it.
  entry.row.snapshot = std::move(row.snapshot);
  entry.row.usage = row.usage;
  by_key_.emplace(entry.row.snapshot.name, &entry);
}

void SnapshotIndex::Remove(int64_t id) {
  const absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  const StoredSnapshot& removed = found->second->row;
  by_key_.erase(removed.snapshot.name);
  if (removed.is_remote()) remote_.erase({removed.chain_id, removed.parent_id});
  if (const auto parent = by_id_.find(removed.parent_id); parent != by_id_.end())
    --parent->second->children;
  by_id_.erase(found);
}

}  // namespace stowage
