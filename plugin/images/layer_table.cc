#include "plugin/images/layer_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "plugin/state/state_database.h"

namespace stowage {
namespace {

constexpr absl::string_view kSelect =
    "SELECT id,kind,content_key,diff_id,size_bytes,rooted,recorded_by FROM layers ";

// Prepare waits for whoever has the lock: a look-up takes 3 us.
constexpr size_t kObjectsPerLock = 256;

absl::StatusOr<LayerRecord> ReadLayer(const SqliteStatement& row) {
  STOWAGE_ASSIGN_OR_RETURN(const Digest content_key, Digest::Parse(row.ColumnText(2)));
  STOWAGE_ASSIGN_OR_RETURN(const Digest diff_id, Digest::Parse(row.ColumnText(3)));
  return LayerRecord{row.ColumnInt64(0),
                     static_cast<LayerKind>(row.ColumnInt64(1)),
                     content_key,
                     diff_id,
                     static_cast<uint64_t>(row.ColumnInt64(4)),
                     row.ColumnInt64(5) != 0,
                     row.ColumnText(6)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<LayerTable>> LayerTable::Open(const std::string& database_path) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenStateDatabase(database_path));
  return std::unique_ptr<LayerTable>(new LayerTable(std::move(database)));
}

absl::StatusOr<std::vector<LayerRecord>> LayerTable::Query(SqliteStatement& statement) {
  std::vector<LayerRecord> layers;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) break;
    STOWAGE_ASSIGN_OR_RETURN(LayerRecord layer, ReadLayer(statement));
    layers.push_back(std::move(layer));
  }
  statement.Reset();
  return layers;
}

absl::StatusOr<LayerRecord> LayerTable::QueryOne(SqliteStatement& statement,
                                                 const std::string& what) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> layers, Query(statement));
  if (layers.empty()) return absl::NotFoundError(absl::StrCat("no layer ", what, " is known here"));
  return layers.front();
}

absl::StatusOr<LayerRecord> LayerTable::FindByContent(const Digest& content_key) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(kSelect, "WHERE content_key=?")));
  query.Bind(1, content_key.ToString());
  return QueryOne(query, "with content " + content_key.ToString());
}

absl::StatusOr<LayerRecord> LayerTable::FindById(int64_t id) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(kSelect, "WHERE id=?")));
  query.Bind(1, id);
  return QueryOne(query, absl::StrCat("number ", id));
}

absl::StatusOr<LayerRecord> LayerTable::FindByDiffId(const Digest& diff_id) {
  const absl::MutexLock lock(&mutex_);
  // Two contents can have one diff_id only if their tars are equal, so any of them that was hashed
  // will do; a rooted one is there for sure.
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(
          absl::StrCat(kSelect, "WHERE diff_id=? ORDER BY recorded_by, rooted DESC, id LIMIT 1")));
  query.Bind(1, diff_id.ToString());
  return QueryOne(query, diff_id.ToString());
}

absl::StatusOr<std::vector<LayerRecord>> LayerTable::FindAll(absl::Span<const int64_t> ids) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(kSelect, "WHERE id=?")));
  std::vector<LayerRecord> layers;
  for (const int64_t id : ids) {
    query.Bind(1, id);
    STOWAGE_ASSIGN_OR_RETURN(LayerRecord layer, QueryOne(query, absl::StrCat("number ", id)));
    layers.push_back(std::move(layer));
  }
  return layers;
}

absl::StatusOr<int64_t> LayerTable::ObjectNumber(const ObjectRecord& object) {
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(
          "INSERT INTO objects(base_name,nar_hash) VALUES(?1,?2) ON CONFLICT DO UPDATE "
          "SET nar_hash=nar_hash RETURNING number"));
  query.Bind(1, object.base_name).Bind(2, object.nar_hash.ToString());
  STOWAGE_RETURN_IF_ERROR(query.Step().status());
  return query.ColumnInt64(0);
}

absl::StatusOr<int64_t> LayerTable::Record(const LayerRecord& layer,
                                           absl::Span<const ObjectRecord> objects) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement existing,
                           database_.Prepare("SELECT id FROM layers WHERE content_key=?"));
  STOWAGE_ASSIGN_OR_RETURN(const bool exists,
                           existing.Bind(1, layer.content_key.ToString()).Step());
  if (exists) return existing.ColumnInt64(0);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare("INSERT INTO layers(content_key,kind,diff_id,size_bytes,recorded_by) "
                        "VALUES(?1,?2,?3,?4,?5)"));
  insert.Bind(1, layer.content_key.ToString()).Bind(2, static_cast<int64_t>(layer.kind));
  insert.Bind(3, layer.diff_id.ToString()).Bind(4, static_cast<int64_t>(layer.size_bytes));
  insert.Bind(5, layer.recorded_by);
  STOWAGE_RETURN_IF_ERROR(insert.Run());
  const int64_t id = database_.LastInsertRowId();
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement link,
                           database_.Prepare("INSERT INTO layer_objects VALUES(?1,?2,?3)"));
  for (size_t position = 0; position < objects.size(); ++position) {
    STOWAGE_ASSIGN_OR_RETURN(const int64_t number, ObjectNumber(objects[position]));
    STOWAGE_RETURN_IF_ERROR(
        link.Bind(1, id).Bind(2, static_cast<int64_t>(position)).Bind(3, number).Run());
  }
  STOWAGE_FAULT_POINT("layers.record.inserted");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("layers.record.committed");
  return id;
}

absl::StatusOr<bool> LayerTable::AllHashed() {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare("SELECT 1 FROM layers WHERE recorded_by!='' AND rooted=1 LIMIT 1"));
  STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Step());
  return !found;
}

absl::StatusOr<std::vector<LayerRecord>> LayerTable::LayersToHash() {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(
                               kSelect, "WHERE recorded_by!='' AND recorded_by!=?1 AND rooted=1")));
  query.Bind(1, kProvisional);
  return Query(query);
}

absl::Status LayerTable::ForgetWhatHas(int64_t layer) {
  // By other statements the rows of an image's layers are gone before they are asked for.
  for (const absl::string_view sql :
       {"DELETE FROM documents WHERE digest IN (SELECT manifest_digest FROM images JOIN "
        "image_layers ON image_id=id WHERE layer_id=?1 UNION SELECT config_digest FROM images JOIN "
        "image_layers ON image_id=id WHERE layer_id=?1) OR (subject!='' AND subject IN (SELECT "
        "manifest_digest FROM images JOIN image_layers ON image_id=id WHERE layer_id=?1))",
        "DELETE FROM images WHERE id IN (SELECT image_id FROM image_layers WHERE layer_id=?1)",
        "WITH RECURSIVE wrong(id) AS (SELECT chain_id FROM chains WHERE layer_id=?1 UNION SELECT "
        "chain_id FROM chains JOIN wrong ON parent_chain_id=wrong.id) DELETE FROM chains WHERE "
        "chain_id IN (SELECT id FROM wrong)"}) {
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement forget, database_.Prepare(sql));
    STOWAGE_RETURN_IF_ERROR(forget.Bind(1, layer).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<SettledRecord> LayerTable::SettleRecord(int64_t layer, const Digest& diff_id,
                                                       uint64_t size_bytes) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement right,
      database_.Prepare(
          "SELECT diff_id=?2 AND size_bytes=?3,recorded_by!='' FROM layers WHERE id=?1"));
  right.Bind(1, layer).Bind(2, diff_id.ToString()).Bind(3, static_cast<int64_t>(size_bytes));
  STOWAGE_RETURN_IF_ERROR(right.Step().status());
  SettledRecord settled = {right.ColumnInt64(0) != 0, {}};
  const bool to_settle = right.ColumnInt64(1) != 0;
  right.Reset();
  if (!to_settle) {
    // Somebody else was faster.
    if (settled.was_right) return settled;
    return absl::DataLossError(absl::StrCat("layer number ", layer, " had other bytes when it was ",
                                            "hashed before: its store paths were changed; try "
                                            "'nix-store --verify --check-contents'"));
  }
  if (!settled.was_right) {
    STOWAGE_ASSIGN_OR_RETURN(
        SqliteStatement names,
        database_.Prepare("SELECT DISTINCT name FROM images JOIN image_layers ON image_id=id WHERE "
                          "layer_id=?1 ORDER BY name"));
    names.Bind(1, layer);
    while (true) {
      STOWAGE_ASSIGN_OR_RETURN(const bool row, names.Step());
      if (!row) break;
      settled.forgotten.push_back(names.ColumnText(0));
    }
    STOWAGE_RETURN_IF_ERROR(ForgetWhatHas(layer));
  }
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement update,
      database_.Prepare("UPDATE layers SET diff_id=?2,size_bytes=?3,recorded_by='' WHERE id=?1"));
  update.Bind(1, layer).Bind(2, diff_id.ToString()).Bind(3, static_cast<int64_t>(size_bytes));
  STOWAGE_RETURN_IF_ERROR(update.Run());
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  return settled;
}

absl::StatusOr<std::vector<ObjectRecord>> LayerTable::Objects(absl::Span<const int64_t> layers) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare("SELECT number,base_name,nar_hash FROM layer_objects "
                                             "JOIN objects ON number=object_number "
                                             "WHERE layer_id=? ORDER BY position"));
  std::vector<ObjectRecord> objects;
  for (const int64_t layer : layers) {
    query.Bind(1, layer);
    while (true) {
      STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
      if (!row) break;
      STOWAGE_ASSIGN_OR_RETURN(const Digest nar_hash, Digest::Parse(query.ColumnText(2)));
      objects.push_back({query.ColumnInt64(0), query.ColumnText(1), nar_hash});
    }
    query.Reset();
  }
  std::sort(objects.begin(), objects.end(),
            [](const ObjectRecord& a, const ObjectRecord& b) { return a.base_name < b.base_name; });
  const auto same = [](const ObjectRecord& a, const ObjectRecord& b) {
    return a.base_name == b.base_name;
  };
  objects.erase(std::unique(objects.begin(), objects.end(), same), objects.end());
  return objects;
}

absl::StatusOr<bool> LayerTable::IsInProvisionalLayer(int64_t object) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare("SELECT 1 FROM layer_objects JOIN layers ON id=layer_id WHERE "
                        "object_number=?1 AND rooted=1 AND recorded_by=?2 LIMIT 1"));
  return query.Bind(1, object).Bind(2, kProvisional).Step();
}

absl::StatusOr<ObjectRecord> LayerTable::HeldObject(int64_t number) {
  STOWAGE_ASSIGN_OR_RETURN(std::vector<ObjectRecord> objects, HeldObjects({number}));
  if (objects.empty())
    return absl::NotFoundError(absl::StrCat("no image that is held here has object ", number));
  return std::move(objects.front());
}

absl::StatusOr<std::vector<ObjectRecord>> LayerTable::HeldObjects(
    absl::Span<const int64_t> numbers) {
  std::vector<ObjectRecord> objects;
  for (; !numbers.empty(); numbers.remove_prefix(std::min(numbers.size(), kObjectsPerLock))) {
    const absl::MutexLock lock(&mutex_);
    STOWAGE_RETURN_IF_ERROR(AddHeldObjects(numbers.subspan(0, kObjectsPerLock), objects));
  }
  return objects;
}

absl::Status LayerTable::AddHeldObjects(absl::Span<const int64_t> numbers,
                                        std::vector<ObjectRecord>& objects) {
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(
          "SELECT base_name,nar_hash FROM objects WHERE number=?1 AND EXISTS(SELECT 1 "
          "FROM layer_objects JOIN layers ON id=layer_id WHERE object_number=?1 AND "
          "rooted=1)"));
  for (const int64_t number : numbers) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, number).Step());
    if (found) {
      STOWAGE_ASSIGN_OR_RETURN(const Digest nar_hash, Digest::Parse(query.ColumnText(1)));
      objects.push_back({number, query.ColumnText(0), nar_hash});
    }
    query.Reset();
  }
  return absl::OkStatus();
}

absl::Status LayerTable::RecordChains(absl::Span<const Digest> chain_ids,
                                      absl::Span<const int64_t> layers) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement insert,
                           database_.Prepare("INSERT OR REPLACE INTO chains VALUES(?1,?2,?3)"));
  std::string parent;
  for (size_t i = 0; i < chain_ids.size(); ++i) {
    STOWAGE_RETURN_IF_ERROR(
        insert.Bind(1, chain_ids[i].ToString()).Bind(2, parent).Bind(3, layers[i]).Run());
    parent = chain_ids[i].ToString();
  }
  STOWAGE_FAULT_POINT("layers.chains.inserted");
  return transaction.Commit();
}

absl::StatusOr<std::vector<int64_t>> LayerTable::ChainLayers(const Digest& chain_id) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare("SELECT layer_id,parent_chain_id FROM chains WHERE chain_id=?"));
  std::vector<int64_t> layers;
  std::string chain = chain_id.ToString();
  while (!chain.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, chain).Step());
    if (!found)
      return absl::NotFoundError(absl::StrCat("chain ", chain_id.ToString(), " was not made here"));
    layers.push_back(query.ColumnInt64(0));
    chain = query.ColumnText(1);
    query.Reset();
  }
  std::reverse(layers.begin(), layers.end());
  return layers;
}

absl::StatusOr<int64_t> LayerTable::TopLayer(const Digest& chain_id,
                                             const Digest& parent_chain_id) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare("SELECT layer_id FROM chains WHERE chain_id=?1 AND parent_chain_id=?2"));
  STOWAGE_ASSIGN_OR_RETURN(
      const bool found,
      query.Bind(1, chain_id.ToString()).Bind(2, parent_chain_id.ToString()).Step());
  if (!found)
    return absl::NotFoundError(absl::StrCat("chain ", chain_id.ToString(), " on ",
                                            parent_chain_id.ToString(), " was not made here"));
  return query.ColumnInt64(0);
}

absl::StatusOr<int64_t> LayerTable::ViewNumber(const Digest& view_key,
                                               absl::Span<const int64_t> layers) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare("SELECT number FROM views WHERE view_key=?"));
  STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, view_key.ToString()).Step());
  if (found) return query.ColumnInt64(0);
  query.Reset();
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement insert,
                           database_.Prepare("INSERT INTO views(view_key) VALUES(?)"));
  STOWAGE_RETURN_IF_ERROR(insert.Bind(1, view_key.ToString()).Run());
  const int64_t number = database_.LastInsertRowId();
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement link,
                           database_.Prepare("INSERT INTO view_layers VALUES(?1,?2,?3)"));
  for (size_t position = 0; position < layers.size(); ++position)
    STOWAGE_RETURN_IF_ERROR(link.Bind(1, number)
                                .Bind(2, static_cast<int64_t>(position))
                                .Bind(3, layers[position])
                                .Run());
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  return number;
}

absl::Status LayerTable::SetRooted(absl::Span<const int64_t> layers, bool rooted) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement update,
      database_.Prepare(absl::StrCat("UPDATE layers SET rooted=", rooted ? 1 : 0, " WHERE id=?1")));
  for (const int64_t layer : layers) STOWAGE_RETURN_IF_ERROR(update.Bind(1, layer).Run());
  return transaction.Commit();
}

absl::Status LayerTable::Hold(absl::Span<const int64_t> layers, absl::Time until) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement update,
      database_.Prepare("UPDATE layers SET hold_until=?2 WHERE id=?1 AND hold_until<?2"));
  for (const int64_t layer : layers)
    STOWAGE_RETURN_IF_ERROR(update.Bind(1, layer).Bind(2, absl::ToUnixNanos(until)).Run());
  return transaction.Commit();
}

absl::StatusOr<std::vector<LayerRecord>> LayerTable::TakeUnneededLayers(absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement take,
      database_.Prepare(
          "UPDATE layers SET rooted=0 WHERE rooted=1 AND hold_until<=?1 AND NOT EXISTS("
          "SELECT 1 FROM snapshot_layers WHERE layer_id=layers.id) "
          "RETURNING id,kind,content_key,diff_id,size_bytes,rooted,recorded_by"));
  take.Bind(1, absl::ToUnixNanos(now));
  return Query(take);
}

absl::StatusOr<std::vector<LayerRecord>> LayerTable::RootedLayers() {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(kSelect, "WHERE rooted=1")));
  return Query(query);
}

absl::StatusOr<std::vector<int64_t>> LayerTable::UnneededViews() {
  const absl::MutexLock lock(&mutex_);
  return Numbers(
      "SELECT DISTINCT view_number FROM view_layers JOIN layers ON id=layer_id WHERE rooted=0 AND "
      "NOT EXISTS(SELECT 1 FROM snapshot_layers WHERE snapshot_layers.layer_id=layers.id) "
      "ORDER BY view_number");
}

absl::StatusOr<std::vector<int64_t>> LayerTable::Views() {
  const absl::MutexLock lock(&mutex_);
  return Numbers("SELECT number FROM views ORDER BY number");
}

absl::StatusOr<std::vector<int64_t>> LayerTable::ViewLayers(int64_t number) {
  const absl::MutexLock lock(&mutex_);
  return Numbers(absl::StrCat("SELECT layer_id FROM view_layers WHERE view_number=", number,
                              " ORDER BY position"));
}

absl::Status LayerTable::ForgetView(int64_t number) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement remove,
                           database_.Prepare("DELETE FROM views WHERE number=?"));
  return remove.Bind(1, number).Run();
}

absl::StatusOr<std::vector<int64_t>> LayerTable::NeededObjects() {
  const absl::MutexLock lock(&mutex_);
  return Numbers(
      "SELECT DISTINCT object_number FROM layer_objects WHERE layer_id IN (SELECT id FROM layers "
      "WHERE rooted=1) OR "
      "layer_id IN (SELECT layer_id FROM view_layers) ORDER BY object_number");
}

absl::StatusOr<std::vector<int64_t>> LayerTable::Numbers(absl::string_view sql) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query, database_.Prepare(sql));
  std::vector<int64_t> numbers;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return numbers;
    numbers.push_back(query.ColumnInt64(0));
  }
}

}  // namespace stowage
