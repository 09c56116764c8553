#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/sqlite.h"
#include "plugin/snapshots/snapshotter.h"
#include "tests/plugin/snapshots/fake_remote_layers.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// A snapshotter in a directory of its own, with layers 1..9 and 100..109 in the database.
class SnapshotterFixture {
 public:
  SnapshotterFixture();

  // Ends the snapshotter and opens it again on the same state.
  void Reopen();
  // As Reopen, with `change` applied in between, as a crash or a person would.
  template <typename Change>
  void ReopenAfter(Change change) {
    snapshotter_.reset();
    change();
    Reopen();
  }
  absl::StatusOr<std::unique_ptr<Snapshotter>> TryOpen();

  Snapshotter& snapshotter() { return *snapshotter_; }
  FakeRemoteLayers& layers() { return layers_; }
  std::string path() const { return directory_.path(); }
  std::string snapshots_path() const { return directory_.Join("snapshots"); }
  std::string database_path() const { return directory_.Join("stowage.db"); }
  std::vector<std::string> warnings();
  void Execute(const std::string& sql);
  void Close() { snapshotter_.reset(); }

  // Prepares `key` on `parent` and commits it as `name`.
  void CommitLayer(const std::string& name, const std::string& parent);
  // What containerd does with a chain ID: the name of the remote snapshot, found by List.
  std::string PrepareRemote(char chain, const std::string& parent);
  // Where no snapshot has been yet: reopens with the rows "view 0", "view 1", ... added in one
  // transaction, every second with the label parity=odd, the others with parity=even.
  void InsertViews(int count);
  std::vector<std::string> Names(const std::vector<std::string>& filters = {});

 private:
  TemporaryDirectory directory_;
  FakeRemoteLayers layers_;
  absl::Mutex mutex_;
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Snapshotter> snapshotter_;
};

// The filter that containerd's metadata store sends after AlreadyExists.
std::string RefFilter(char chain, const std::string& parent);

}  // namespace stowage::testing
