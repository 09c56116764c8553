#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "nix/store_path.h"
#include "plugin/images/layer_catalog.h"

namespace stowage {

// Hashes the layers whose diff_ids are another Stowage's word once all of their store paths are
// there, on a thread of its own at idle priority, and tells the catalog (LayerCatalog::Hashed).
// Until then such a layer is shown to containers, but its bytes are given to nobody. Thread-safe.
class LayerHasher {
 public:
  struct Options {
    std::string store_directory = "/nix/store";
    // Whether the paths hold what Nix registered, so that a damaged disk is not taken for a lie.
    std::function<absl::Status(const std::vector<StorePath>&, std::stop_token)> verify;
    absl::Duration interval = absl::Seconds(2);  // between two looks for what has become whole
  };

  // catalog: borrowed.
  LayerHasher(Options options, LayerCatalog& catalog, LogFunction log);
  // Ends the thread; waits for at most one file that it is hashing, or a call of `verify`.
  ~LayerHasher();
  LayerHasher(const LayerHasher&) = delete;
  LayerHasher& operator=(const LayerHasher&) = delete;

 private:
  void Run();
  void HashWhatIsWhole();
  absl::StatusOr<LayerDigest> Hash(const LayerArchive& archive);
  absl::Status HashLayer(const LayerRecord& layer);

  const Options options_;
  LayerCatalog& catalog_;
  const LogFunction log_;
  std::stop_source stop_;
  absl::flat_hash_map<int64_t, absl::Time> look_again_;  // the thread's: layers that failed
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: uses all of the above
};

}  // namespace stowage
