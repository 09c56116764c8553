#include "layering/store_tree_walk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "layering/open_beneath.h"

namespace stowage {
namespace {

struct Found {
  std::string name;
  TarEntry::Type type;
  uint32_t mode;
  uint64_t size_bytes;
  std::string link_target;
};

uint32_t EntryMode(const struct stat& status, TarEntry::Type type, ModeRule rule) {
  if (type == TarEntry::Type::kSymlink) return 0777;
  if (rule == ModeRule::kAsTheyAre) return status.st_mode & 07777;
  const bool executable = type == TarEntry::Type::kDirectory || (status.st_mode & S_IXUSR) != 0;
  return executable ? 0555 : 0444;
}

absl::StatusOr<Found> Inspect(int directory_fd, const std::string& name, ModeRule rule,
                              const std::string& shown) {
  struct stat status;
  if (::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", shown, "/", name));
  Found found{name, TarEntry::Type::kFile, 0, 0, ""};
  if (S_ISREG(status.st_mode)) {
    found.size_bytes = static_cast<uint64_t>(status.st_size);
  } else if (S_ISDIR(status.st_mode)) {
    found.type = TarEntry::Type::kDirectory;
  } else if (S_ISLNK(status.st_mode)) {
    found.type = TarEntry::Type::kSymlink;
    STOWAGE_ASSIGN_OR_RETURN(found.link_target, ReadLinkAt(directory_fd, name));
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("describe ", shown, "/", name,
                     ": is a device, socket or fifo; layers hold directories, regular files and "
                     "symbolic links only"));
  }
  found.mode = EntryMode(status, found.type, rule);
  return found;
}

class Walker {
 public:
  Walker(const TreeRoot& root, ModeRule rule, LayerIndex& index)
      : root_(root), rule_(rule), index_(index) {}

  // Adds everything in a directory of the root ("": the root itself) whose entry has this number.
  absl::Status Walk(const std::string& directory, LayerIndex::EntryNumber number);

 private:
  // A directory on the way down. No descriptor is kept, so that the depth of a tree is not bounded
  // by their number.
  struct Level {
    std::vector<Found> found;
    size_t next = 0;
    LayerIndex::EntryNumber number;
    size_t parent_path_bytes;  // of path_ when this level is left
  };

  absl::Status Enter(const std::string& name, LayerIndex::EntryNumber number);

  const TreeRoot& root_;
  const ModeRule rule_;
  LayerIndex& index_;
  std::vector<Level> levels_;
  std::string path_;  // of the deepest level, relative to the root
};

absl::Status Walker::Enter(const std::string& name, LayerIndex::EntryNumber number) {
  Level level{{}, 0, number, path_.size()};
  if (!path_.empty()) path_ += '/';
  path_ += name;
  const std::string shown = path_.empty() ? root_.shown : absl::StrCat(root_.shown, "/", path_);
  UniqueFd opened;
  if (!path_.empty()) {
    auto fd = OpenBeneath(root_.directory_fd, path_, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return Annotate(fd.status(), absl::StrCat("list ", shown));
    opened = *std::move(fd);
  }
  const int fd = opened ? opened.get() : root_.directory_fd;
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(fd, shown));
  level.found.reserve(names.size());
  for (const std::string& child : names) {
    STOWAGE_ASSIGN_OR_RETURN(Found found, Inspect(fd, child, rule_, shown));
    level.found.push_back(std::move(found));
  }
  levels_.push_back(std::move(level));
  return absl::OkStatus();
}

absl::Status Walker::Walk(const std::string& directory, LayerIndex::EntryNumber number) {
  STOWAGE_RETURN_IF_ERROR(Enter(directory, number));
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.found.size()) {
      path_.resize(level.parent_path_bytes);
      levels_.pop_back();
      continue;
    }
    const Found found = std::move(level.found[level.next++]);
    STOWAGE_ASSIGN_OR_RETURN(const LayerIndex::EntryNumber added,
                             index_.Add(level.number, {found.type, found.mode, found.name,
                                                       found.size_bytes, found.link_target}));
    if (found.type == TarEntry::Type::kDirectory) STOWAGE_RETURN_IF_ERROR(Enter(found.name, added));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddTree(const TreeRoot& root, const std::string& name, ModeRule modes,
                     LayerIndex::EntryNumber parent, LayerIndex& index) {
  STOWAGE_ASSIGN_OR_RETURN(const Found found, Inspect(root.directory_fd, name, modes, root.shown));
  STOWAGE_ASSIGN_OR_RETURN(
      const LayerIndex::EntryNumber added,
      index.Add(parent, {found.type, found.mode, name, found.size_bytes, found.link_target}));
  if (found.type != TarEntry::Type::kDirectory) return absl::OkStatus();
  return Walker(root, modes, index).Walk(name, added);
}

absl::Status AddContents(const TreeRoot& root, ModeRule modes, LayerIndex& index) {
  return Walker(root, modes, index).Walk("", LayerIndex::kTop);
}

}  // namespace stowage
