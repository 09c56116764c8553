#include "nix/revision_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kRevisionCharacters = 40;
constexpr absl::string_view kWorkspacePrefix = ".work-";
constexpr absl::Duration kInUse = absl::Hours(1);
// No fetch takes so long; what is older was left by a process that died.
constexpr absl::Duration kAbandoned = absl::Hours(24);

absl::Time LastUse(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return absl::InfinitePast();
  return absl::TimeFromTimespec(status.st_mtim);
}

// Everything below must be on disk before the rename makes it visible.
absl::Status SyncFileSystemOf(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::syncfs(fd.get()) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("sync ", path));
  return absl::OkStatus();
}

}  // namespace

bool IsRevision(absl::string_view text) {
  return text.size() == kRevisionCharacters && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

RevisionCache::Workspace::~Workspace() {
  // What cannot be removed now is removed by a later Prune.
  if (!path_.empty()) (void)RemoveTree(path_);
}

std::optional<std::string> RevisionCache::Find(absl::string_view revision) const {
  const std::string path = absl::StrCat(directory_, "/", revision);
  struct stat status;
  if (!IsRevision(revision) || ::lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    return std::nullopt;
  (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // only the order of removal depends on it
  return path;
}

absl::StatusOr<RevisionCache::Workspace> RevisionCache::MakeWorkspace() const {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(directory_));
  std::string path = absl::StrCat(directory_, "/", kWorkspacePrefix, "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr)
    return absl::ErrnoToStatus(errno, absl::StrCat("make directory ", path));
  return Workspace(std::move(path));
}

absl::StatusOr<std::string> RevisionCache::Publish(const std::string& tree,
                                                   absl::string_view revision) const {
  if (struct stat status; ::stat(absl::StrCat(tree, "/default.nix").c_str(), &status) != 0)
    return absl::FailedPreconditionError(absl::StrCat(
        "revision ", revision, " is no package set: it has no default.nix at its top"));
  STOWAGE_RETURN_IF_ERROR(SyncFileSystemOf(tree));
  const std::string path = absl::StrCat(directory_, "/", revision);
  if (::rename(tree.c_str(), path.c_str()) != 0 && errno != EEXIST && errno != ENOTEMPTY)
    return absl::ErrnoToStatus(errno, absl::StrCat("rename ", tree, " to ", path));
  STOWAGE_RETURN_IF_ERROR(SyncDirectory(directory_));
  (void)Find(revision);  // a use
  Prune();
  return path;
}

void RevisionCache::Prune() const {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory_);
  if (!names.ok()) return;
  const absl::Time now = absl::Now();
  std::vector<std::pair<absl::Time, std::string>> revisions;
  for (const std::string& name : *names) {
    std::string path = absl::StrCat(directory_, "/", name);
    const absl::Time used = LastUse(path);
    if (IsRevision(name)) revisions.emplace_back(used, std::move(path));
    // Failing to remove is no reason to fail the fetch; the next one tries again.
    else if (absl::StartsWith(name, kWorkspacePrefix) && used < now - kAbandoned)
      (void)RemoveTree(path);
  }
  std::sort(revisions.rbegin(), revisions.rend());
  for (size_t i = static_cast<size_t>(std::max(kept_, 1)); i < revisions.size(); ++i) {
    const auto& [used, path] = revisions[i];
    if (used > now - kInUse) continue;
    // Renamed first, so that nobody finds half a tree.
    const std::string doomed =
        absl::StrCat(directory_, "/", kWorkspacePrefix, path.substr(path.rfind('/') + 1));
    if (::rename(path.c_str(), doomed.c_str()) == 0) (void)RemoveTree(doomed);
  }
}

}  // namespace stowage
