#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "fuse/index_writer.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// A store directory and a state directory of a test's own, and short ways to fill them. Failures
// are test failures.
class StoreTree {
 public:
  StoreTree();

  const std::string& store() const { return store_; }
  const std::string& state() const { return state_; }
  const std::string& root() const { return directory_.path(); }
  int store_fd() const { return store_fd_.get(); }

  // Paths are below the store directory; parents are made.
  void Directory(const std::string& path);
  void File(const std::string& path, const std::string& content, bool executable = false);
  void Symlink(const std::string& path, const std::string& target);

  std::string ObjectPath(uint64_t number) const;
  std::string ViewPath(uint64_t number) const;

  // Indexes one store path under its number.
  ObjectIndexSummary Index(const std::string& base_name, uint64_t object_number);
  // Writes a view over indexed paths. slots: sorted by name.
  void View(uint64_t view_number, const std::vector<ViewSlot>& slots);

 private:
  TemporaryDirectory directory_;
  std::string store_;
  std::string state_;
  UniqueFd store_fd_;
};

}  // namespace stowage::testing
