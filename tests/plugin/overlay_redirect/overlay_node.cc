#include "tests/plugin/overlay_redirect/overlay_node.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

// Before any test and any thread: no mount of a test is seen outside or outlives it.
[[maybe_unused]] const bool kUsable = [] {
  const bool usable = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
                      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!usable) std::_Exit(77);
  return usable;
}();

void MakeStore(const std::string& nix) {
  const std::string tree = absl::StrCat(nix, "/store/", kTree);
  REQUIRE_OK(MakeDirectories(tree + "/bin"));
  REQUIRE_OK(MakeDirectories(tree + "/share/empty"));
  WriteFile(tree + "/bin/hello", "#!/bin/sh\necho hello\n", 0555);
  WriteFile(absl::StrCat(tree, "/share/", std::string(255, 'n')), "a long name", 0444);
  REQUIRE(::symlink("../bin/hello", (tree + "/share/link").c_str()) == 0);
  REQUIRE(::chmod(tree.c_str(), 0555) == 0);
  WriteFile(absl::StrCat(nix, "/store/", kFile), "a store path that is a file", 0444);
  WriteFile(absl::StrCat(nix, "/store/", kProgram), "#!/bin/sh\n", 0555);
  REQUIRE(::symlink(absl::StrCat("/nix/store/", kTree, "/bin/hello").c_str(),
                    absl::StrCat(nix, "/store/", kLink).c_str()) == 0);
  REQUIRE_OK(MakeDirectories(absl::StrCat(nix, "/store/", kForeign)));
  WriteFile(absl::StrCat(nix, "/store/", kForeign, "/secret"), "somebody else's");
  // What must not show: beside the store, and a directory that would be merged into /nix.
  REQUIRE_OK(MakeDirectories(nix + "/var/nix/db"));
  REQUIRE_OK(MakeDirectories(nix + "/nix/inner"));
}

}  // namespace

OverlayNode::OverlayNode() {
  // Or other users would be kept out by this directory alone.
  REQUIRE(::chmod(directory_.path().c_str(), 0711) == 0);
  MakeStore(Path("nix"));
  REQUIRE_OK(MakeDirectories(Path("state")));
  REQUIRE_OK(MakeDirectories(Path("mounts")));
}

OverlayNode::~OverlayNode() {
  for (const std::string& place : mounted_) ::umount2(place.c_str(), MNT_DETACH);
  if (views_ != nullptr) views_->Drain();
  views_.reset();
  (void)LowerMount::Unmount(Path("run"));  // else the directory stays, and only that
}

OverlayViewsOptions OverlayNode::Options() const {
  OverlayViewsOptions options;
  options.state_directory = Path("state");
  options.mount_directory = Path("run");
  options.store_directory = Path("nix/store");
  options.mount_options = {"index=off", "redirect_dir=follow"};
  return options;
}

void OverlayNode::Open() {
  views_.reset();
  OverlayViewsOptions options = Options();
  options.warn = [this](absl::string_view line) { warnings_.emplace_back(line); };
  auto opened = OverlayViews::Open(std::move(options));
  REQUIRE_OK(opened);
  views_ = *std::move(opened);
}

absl::StatusOr<std::string> OverlayNode::Skeleton(int64_t number,
                                                  const std::vector<std::string>& names) {
  return views_->Skeleton(number,
                          [&]() -> absl::StatusOr<std::vector<std::string>> { return names; });
}

std::string OverlayNode::secret_name() const {
  const auto text = ReadFile(Path("state/overlay/current/generation"));
  REQUIRE_OK(text);
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  return lines.at(2);
}

std::vector<std::string> OverlayNode::Lowers(const std::vector<std::string>& ordinary) {
  if (views_ == nullptr) Open();
  const auto skeleton = Skeleton(7, {kTree, kFile, kLink, kProgram});
  REQUIRE_OK(skeleton);
  std::vector<std::string> lowers;
  for (const std::string& layer : ordinary) lowers.push_back(views_->Through(layer));
  for (const std::string& layer :
       {views_->layers().cap, *skeleton, views_->layers().mask, views_->layers().store_parent})
    lowers.push_back(layer);
  return lowers;
}

std::string OverlayNode::Mount(const std::vector<std::string>& lowers) {
  const std::string place = absl::StrCat(Path("mounts"), "/", mounted_.size());
  for (const char* suffix : {"", ".upper", ".work"}) REQUIRE_OK(MakeDirectories(place + suffix));
  const std::string options =
      absl::StrCat(absl::StrJoin(Options().mount_options, ","), ",workdir=", place,
                   ".work,upperdir=", place, ".upper,lowerdir=", absl::StrJoin(lowers, ":"));
  INFO(options);
  REQUIRE(::mount("overlay", place.c_str(), "overlay", 0, options.c_str()) == 0);
  mounted_.push_back(place);
  return place;
}

void OverlayNode::Unmount(const std::string& place) { REQUIRE(::umount2(place.c_str(), 0) == 0); }

void WriteFile(const std::string& path, const std::string& content, mode_t mode) {
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), content, path));
  REQUIRE(::fchmod(fd->get(), mode) == 0);
}

bool Exists(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

std::vector<std::string> DescribeTree(const std::string& root) {
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string();
    struct stat status;
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    std::string line = absl::StrCat(path.substr(root.size()), " ", absl::Hex(status.st_mode), " ",
                                    status.st_uid, ":", status.st_gid);
    if (entry.is_symlink()) {
      absl::StrAppend(&line, " -> ", std::filesystem::read_symlink(entry.path()).string());
    } else if (entry.is_regular_file()) {
      absl::StrAppend(&line, " ", status.st_size, " ", ReadFile(path).value_or("unreadable"));
    }
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace stowage::testing
