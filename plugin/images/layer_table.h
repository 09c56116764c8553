#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "base/sqlite.h"

namespace stowage {

enum class LayerKind { kStorePaths = 0, kProfile = 1 };

// LayerRecord::recorded_by of a layer with a made-up diff_id, which no tar has. Such a layer is of
// this node only, and has a content key of its own.
inline constexpr char kProvisional[] = "provisional";

struct LayerRecord {
  int64_t id;
  LayerKind kind;
  Digest content_key;
  Digest diff_id;
  uint64_t size_bytes;
  bool rooted;  // held, with GC roots for its store paths (but LayerCatalog::HasRoots)
  // The Stowage whose word the diff_id is; kProvisional if it is nobody's; "" if the layer was
  // hashed here.
  std::string recorded_by{};
};

struct ObjectRecord {
  int64_t number;  // 0 before it is recorded
  std::string base_name;
  Digest nar_hash;
};

struct SettledRecord {
  bool was_right;
  std::vector<std::string> forgotten;  // names of images
};

// The tables of layers, their store paths, chain IDs and views in the state database. Thread-safe.
class LayerTable {
 public:
  static absl::StatusOr<std::unique_ptr<LayerTable>> Open(const std::string& database_path);

  // Errors of all finders: NotFound.
  absl::StatusOr<LayerRecord> FindByContent(const Digest& content_key);
  absl::StatusOr<LayerRecord> FindById(int64_t id);
  absl::StatusOr<LayerRecord> FindByDiffId(const Digest& diff_id);
  absl::StatusOr<std::vector<LayerRecord>> FindAll(absl::Span<const int64_t> ids);

  // Records a layer and its store paths (none for a profile); returns the row id. Recording the
  // same content key again returns the row that exists.
  absl::StatusOr<int64_t> Record(const LayerRecord& layer, absl::Span<const ObjectRecord> objects);

  // A layer that another Stowage has recorded was hashed here. If the record was wrong, it is
  // corrected, and what was made of it is forgotten: images, their manifests and configs, and chain
  // IDs. Errors: DataLoss if the layer was hashed here before, with another result.
  absl::StatusOr<SettledRecord> SettleRecord(int64_t layer, const Digest& diff_id,
                                             uint64_t size_bytes);
  // Whether every layer with roots was hashed here.
  absl::StatusOr<bool> AllHashed();
  // Those with roots that another Stowage has recorded and that were not hashed here.
  absl::StatusOr<std::vector<LayerRecord>> LayersToHash();

  // Store paths of layers, sorted by base name, without duplicates.
  absl::StatusOr<std::vector<ObjectRecord>> Objects(absl::Span<const int64_t> layers);

  // Whether a provisional layer with roots has the store path.
  absl::StatusOr<bool> IsInProvisionalLayer(int64_t object);

  // One store path, if a layer with roots has it. Errors: NotFound.
  absl::StatusOr<ObjectRecord> HeldObject(int64_t number);
  // Those of the store paths that a layer with roots has.
  absl::StatusOr<std::vector<ObjectRecord>> HeldObjects(absl::Span<const int64_t> numbers);

  // Registers the chain IDs of an image: chain_ids[i] stands for layers[0..i].
  absl::Status RecordChains(absl::Span<const Digest> chain_ids, absl::Span<const int64_t> layers);
  // Layers of a chain, base first. Errors: NotFound.
  absl::StatusOr<std::vector<int64_t>> ChainLayers(const Digest& chain_id);
  // The top layer of a chain if that chain stands directly on parent. Errors: NotFound.
  absl::StatusOr<int64_t> TopLayer(const Digest& chain_id, const Digest& parent_chain_id);

  // The number of a view, given out at the first call for this key.
  absl::StatusOr<int64_t> ViewNumber(const Digest& view_key, absl::Span<const int64_t> layers);

  absl::Status SetRooted(absl::Span<const int64_t> layers, bool rooted);
  absl::Status Hold(absl::Span<const int64_t> layers, absl::Time until);
  // Layers with roots that no snapshot needs and nobody holds beyond `now`; they are not rooted any
  // longer when this returns, in one step with finding them, so that no snapshot can start to need
  // one in between (trigger snapshot_layers_are_rooted).
  absl::StatusOr<std::vector<LayerRecord>> TakeUnneededLayers(absl::Time now);
  absl::StatusOr<std::vector<LayerRecord>> RootedLayers();
  // Views of which some layer has no roots any longer.
  absl::StatusOr<std::vector<int64_t>> UnneededViews();
  absl::Status ForgetView(int64_t number);
  absl::StatusOr<std::vector<int64_t>> Views();
  // Base first; none for a number that is no view's.
  absl::StatusOr<std::vector<int64_t>> ViewLayers(int64_t number);
  // Numbers of the objects that a layer with roots or a view shows.
  absl::StatusOr<std::vector<int64_t>> NeededObjects();

 private:
  explicit LayerTable(SqliteDatabase database) : database_(std::move(database)) {}
  absl::StatusOr<std::vector<LayerRecord>> Query(SqliteStatement& statement)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<LayerRecord> QueryOne(SqliteStatement& statement, const std::string& what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ForgetWhatHas(int64_t layer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<int64_t>> Numbers(absl::string_view sql)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddHeldObjects(absl::Span<const int64_t> numbers, std::vector<ObjectRecord>& objects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<int64_t> ObjectNumber(const ObjectRecord& object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  SqliteDatabase database_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
