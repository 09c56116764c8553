#include "tests/fuse/store_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {

StoreTree::StoreTree() : store_(directory_.Join("store")), state_(directory_.Join("state")) {
  REQUIRE_OK(MakeDirectories(store_));
  REQUIRE_OK(MakeDirectories(state_ + "/objects"));
  REQUIRE_OK(MakeDirectories(state_ + "/views"));
  auto fd = OpenAt(AT_FDCWD, store_, O_PATH | O_DIRECTORY);
  REQUIRE_OK(fd);
  store_fd_ = *std::move(fd);
}

void StoreTree::Directory(const std::string& path) {
  REQUIRE_OK(MakeDirectories(absl::StrCat(store_, "/", path)));
}

void StoreTree::File(const std::string& path, const std::string& content, bool executable) {
  if (const size_t slash = path.rfind('/'); slash != std::string::npos)
    Directory(path.substr(0, slash));
  const auto fd =
      OpenAt(store_fd_.get(), path, O_WRONLY | O_CREAT | O_TRUNC, executable ? 0755 : 0644);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), content, path));
}

void StoreTree::Symlink(const std::string& path, const std::string& target) {
  if (const size_t slash = path.rfind('/'); slash != std::string::npos)
    Directory(path.substr(0, slash));
  REQUIRE(::symlinkat(target.c_str(), store_fd_.get(), path.c_str()) == 0);
}

std::string StoreTree::ObjectPath(uint64_t number) const {
  return absl::StrCat(state_, "/objects/", number);
}

std::string StoreTree::ViewPath(uint64_t number) const {
  return absl::StrCat(state_, "/views/", number);
}

ObjectIndexSummary StoreTree::Index(const std::string& base_name, uint64_t object_number) {
  const auto summary =
      WriteObjectIndex(store_fd_.get(), base_name, object_number, ObjectPath(object_number));
  REQUIRE_OK(summary);
  return *summary;
}

void StoreTree::View(uint64_t view_number, const std::vector<ViewSlot>& slots) {
  REQUIRE_OK(WriteView(view_number, slots, ViewPath(view_number)));
}

}  // namespace stowage::testing
