#include "nix/gc_roots.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kMaxHolderCharacters = 200;
// Names that no holder can have; whatever begins so is unfinished or being removed. Links inside
// still are roots for Nix, so a left-over keeps paths until RemoveUnfinished().
constexpr absl::string_view kTemporaryPrefix = ".tmp-";

bool IsHolderCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

absl::Status CheckHolder(absl::string_view holder) {
  if (!holder.empty() && holder.size() <= kMaxHolderCharacters && holder[0] != '.' &&
      std::all_of(holder.begin(), holder.end(), IsHolderCharacter))
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("GC roots: '", absl::CHexEscape(holder), "' cannot be a holder: must be 1 to ",
                   kMaxHolderCharacters, " characters of [A-Za-z0-9._-] and not begin with '.'"));
}

absl::Status Link(const std::string& target, const std::string& path) {
  if (::symlink(target.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("make GC root ", path));
}

std::string LayersDirectory(const std::string& directory) { return directory + "/layers"; }

// Unlike any other name that this process or an earlier one with the same id uses at the same time.
std::string TemporaryPath(const std::string& directory) {
  static std::atomic<uint64_t> counter = 0;
  return absl::StrCat(LayersDirectory(directory), "/", kTemporaryPrefix, ::getpid(), "-",
                      absl::ToUnixMicros(absl::Now()), "-", counter.fetch_add(1));
}

absl::Status FillWithLinks(const std::string& path, absl::Span<const StorePath> paths) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(path));
  std::vector<StorePath> unique(paths.begin(), paths.end());
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  for (const StorePath& store_path : unique)
    STOWAGE_RETURN_IF_ERROR(
        Link(store_path.ToString(), absl::StrCat(path, "/", store_path.base_name())));
  return absl::OkStatus();
}

// Puts `from` at `to`, exchanging the two if there is something already; that is at `from` then.
absl::Status Exchange(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
    return absl::OkStatus();
  if (errno == EEXIST &&
      ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("make GC roots ", to));
}

}  // namespace

absl::Status GcRoots::Add(const std::string& holder, absl::Span<const StorePath> paths) {
  STOWAGE_RETURN_IF_ERROR(CheckHolder(holder));
  const std::string temporary = TemporaryPath(directory_);
  absl::Status status = FillWithLinks(temporary, paths);
  STOWAGE_FAULT_POINT("roots.add.filled");
  if (status.ok())
    status = Exchange(temporary, absl::StrCat(LayersDirectory(directory_), "/", holder));
  STOWAGE_FAULT_POINT("roots.add.placed");
  const absl::Status cleaned = RemoveTree(temporary);
  return status.ok() ? cleaned : status;
}

absl::Status GcRoots::Remove(const std::string& holder) {
  STOWAGE_RETURN_IF_ERROR(CheckHolder(holder));
  const std::string path = absl::StrCat(LayersDirectory(directory_), "/", holder);
  const std::string temporary = TemporaryPath(directory_);
  if (::rename(path.c_str(), temporary.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("remove GC roots ", path));
  }
  STOWAGE_FAULT_POINT("roots.remove.renamed");
  return RemoveTree(temporary);
}

absl::StatusOr<std::vector<std::string>> GcRoots::Holders() {
  const std::string layers = LayersDirectory(directory_);
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(layers);
  if (absl::IsNotFound(names.status())) return std::vector<std::string>();
  if (!names.ok()) return names.status();
  std::vector<std::string> holders;
  for (const std::string& name : *names)
    if (CheckHolder(name).ok()) holders.push_back(name);
  return holders;
}

std::string GcRoots::ResolveLink(const std::string& unique) const {
  return absl::StrCat(directory_, "/resolving/", unique, "/root");
}

absl::Status GcRoots::RemoveResolveLinks() { return RemoveTree(directory_ + "/resolving"); }

absl::Status GcRoots::RemoveUnfinished() {
  const std::string layers = LayersDirectory(directory_);
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(layers);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names)
    if (absl::StartsWith(name, kTemporaryPrefix))
      STOWAGE_RETURN_IF_ERROR(RemoveTree(absl::StrCat(layers, "/", name)));
  return absl::OkStatus();
}

}  // namespace stowage
