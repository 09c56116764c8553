#pragma once

#include <memory>
#include <string>

#include "tests/fuse/fuse_server.h"
#include "tests/fuse/store_tree.h"

namespace stowage::testing {

// A served store with many views of one object: the names below each view are new to the kernel, so
// that readers keep asking the server.
class LivingStore {
 public:
  static constexpr int kFiles = 300;
  static constexpr int kViews = 400;

  explicit LivingStore(const FuseServerOptions& options = {});
  // Once more, at the same place.
  void Start(const FuseServerOptions& options = {});

  // view: from 1; file: below kFiles.
  std::string FilePath(int view, int file) const;
  // Executable; exit code 0.
  std::string ProgramPath(int view) const;
  static std::string Content(int file);

  // Looks up and reads one file, past the page cache; "": as it should be.
  std::string ReadOnce(int view, int file) const;

  StoreTree store;
  const std::string mount_point;
  std::unique_ptr<FuseServer> server;
};

}  // namespace stowage::testing
