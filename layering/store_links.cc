#include "layering/store_links.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "layering/open_beneath.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

constexpr int kMaxLinks = 40;  // as Linux has it

std::string InContainer(absl::string_view path) {
  return path.empty() ? std::string(kStoreDirectory) : absl::StrCat(kStoreDirectory, "/", path);
}

// One path being followed, component by component.
class Trail {
 public:
  // walked: a path that is known to be a directory and free of links, or "".
  Trail(int store_fd, const std::string& shown, absl::string_view walked)
      : store_fd_(store_fd),
        shown_(shown),
        walked_(absl::StrSplit(walked, '/', absl::SkipEmpty())) {}

  absl::StatusOr<StoreLocation> Follow(absl::string_view path) {
    Push(path);
    while (!pending_.empty()) {
      STOWAGE_ASSIGN_OR_RETURN(const std::optional<StoreLocation> end, Step());
      if (end.has_value()) return *end;
    }
    if (walked_.empty()) return Outside(kStoreDirectory);
    return StoreLocation{
        at_directory_ ? StoreLocation::Kind::kDirectory : StoreLocation::Kind::kFile, Here()};
  }

 private:
  void Push(absl::string_view path) {
    const std::vector<std::string> components = absl::StrSplit(path, '/', absl::SkipEmpty());
    pending_.insert(pending_.end(), components.rbegin(), components.rend());
  }

  std::string Here() const { return absl::StrJoin(walked_, "/"); }

  // The end of the trail at `here`, an absolute path, and everything that was still to come.
  StoreLocation Outside(absl::string_view here) const {
    std::string path(here);
    for (auto component = pending_.rbegin(); component != pending_.rend(); ++component)
      absl::StrAppend(&path, "/", *component);
    return {StoreLocation::Kind::kOutside, path};
  }

  // Goes through one component; a location if the trail leaves the store there.
  absl::StatusOr<std::optional<StoreLocation>> Step();
  absl::StatusOr<std::optional<StoreLocation>> StepIntoLink();

  const int store_fd_;
  const std::string& shown_;
  std::vector<std::string> walked_;   // known to be no links
  std::vector<std::string> pending_;  // the next one last
  bool at_directory_ = true;
  int links_ = 0;
};

absl::StatusOr<std::optional<StoreLocation>> Trail::Step() {
  const std::string component = std::move(pending_.back());
  pending_.pop_back();
  if (component == ".") return std::nullopt;
  if (component == "..") {
    if (walked_.empty()) return Outside("/nix");
    walked_.pop_back();
    return std::nullopt;
  }
  // What else lies in the store (.links, lock files) is no part of any closure.
  if (walked_.empty() && !StorePath::FromBaseName(component).ok())
    return Outside(InContainer(component));
  walked_.push_back(component);
  struct stat status;
  if (::fstatat(store_fd_, Here().c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    // Too long for the kernel here is too long for the one of a container.
    if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
      return Outside(InContainer(Here()));
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", shown_, "/", Here()));
  }
  if (S_ISLNK(status.st_mode)) return StepIntoLink();
  at_directory_ = S_ISDIR(status.st_mode);
  if (!at_directory_ && !pending_.empty()) return Outside(InContainer(Here()));
  return std::nullopt;
}

absl::StatusOr<std::optional<StoreLocation>> Trail::StepIntoLink() {
  if (++links_ > kMaxLinks) return Outside(InContainer(Here()));
  STOWAGE_ASSIGN_OR_RETURN(const std::string target, ReadLinkAt(store_fd_, Here()));
  absl::string_view rest = target;
  walked_.pop_back();
  if (absl::StartsWith(rest, "/")) {
    if (!absl::ConsumePrefix(&rest, kStoreDirectory) ||
        (!rest.empty() && !absl::StartsWith(rest, "/")))
      return Outside(target);
    walked_.clear();
  }
  Push(rest);
  at_directory_ = true;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<StoreLinks> StoreLinks::Open(const std::string& store_directory) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, store_directory, O_PATH | O_DIRECTORY));
  return StoreLinks(std::move(fd), store_directory);
}

absl::StatusOr<StoreLocation> StoreLinks::Follow(absl::string_view path) const {
  return Trail(store_.get(), shown_, "").Follow(path);
}

absl::StatusOr<StoreLocation> StoreLinks::FollowIn(const StoreLocation& directory,
                                                   absl::string_view name) const {
  return Trail(store_.get(), shown_, directory.path).Follow(name);
}

absl::StatusOr<std::vector<std::string>> StoreLinks::List(const StoreLocation& directory) const {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd,
                           OpenBeneath(store_.get(), directory.path, O_RDONLY | O_DIRECTORY));
  return ListDirectory(fd.get(), absl::StrCat(shown_, "/", directory.path));
}

absl::StatusOr<bool> StoreLinks::Has(const std::string& base_name) const {
  struct stat status;
  if (::fstatat(store_.get(), base_name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  return absl::ErrnoToStatus(errno, absl::StrCat("stat ", shown_, "/", base_name));
}

}  // namespace stowage
