#include "plugin/images/image_table.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "plugin/state/state_database.h"

namespace stowage {
namespace {

using nlohmann::json;

constexpr int64_t kManifestKind = 0;
constexpr int64_t kBlobKind = 1;
constexpr int64_t kThisNodesOnly = 2;  // added to either
constexpr absl::string_view kColumns =
    "images.id,cache_key,images.name,manifest_digest,config_digest,chain_id,summary";

std::string EncodeSummary(const ImageSummary& summary) {
  return json{{"source", summary.source},
              {"revision", summary.revision},
              {"architecture", summary.architecture},
              {"storePaths", summary.store_path_count},
              {"narSize", summary.nar_size_bytes},
              {"warnings", summary.warnings},
              {"recordedBy", summary.recorded_by}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<ImageSummary> DecodeSummary(const std::string& text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object())
    return absl::DataLossError("database: the summary of an image is damaged");
  ImageSummary summary;
  summary.source = value.value("source", "");
  summary.revision = value.value("revision", "");
  summary.architecture = value.value("architecture", "");
  summary.store_path_count = value.value("storePaths", uint64_t{0});
  summary.nar_size_bytes = value.value("narSize", uint64_t{0});
  summary.warnings = value.value("warnings", std::vector<std::string>());
  summary.recorded_by = value.value("recordedBy", "");
  return summary;
}

absl::StatusOr<ImageRecord> ReadImage(const SqliteStatement& row) {
  STOWAGE_ASSIGN_OR_RETURN(const Digest cache_key, Digest::Parse(row.ColumnText(1)));
  STOWAGE_ASSIGN_OR_RETURN(const Digest manifest, Digest::Parse(row.ColumnText(3)));
  STOWAGE_ASSIGN_OR_RETURN(const Digest config, Digest::Parse(row.ColumnText(4)));
  STOWAGE_ASSIGN_OR_RETURN(const Digest chain, Digest::Parse(row.ColumnText(5)));
  STOWAGE_ASSIGN_OR_RETURN(ImageSummary summary, DecodeSummary(row.ColumnText(6)));
  return ImageRecord{row.ColumnInt64(0), cache_key, row.ColumnText(2), manifest, config, chain,
                     std::move(summary)};
}

// The manifest that a referrer is about, "" for other documents.
std::string SubjectOf(const Document& document) {
  const json value = json::parse(document.content, nullptr, false);
  if (!value.is_object() || !value.contains("subject") || !value["subject"].is_object()) return "";
  return value["subject"].value("digest", "");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageTable>> ImageTable::Open(const std::string& database_path) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenStateDatabase(database_path));
  return std::unique_ptr<ImageTable>(new ImageTable(std::move(database)));
}

absl::Status ImageTable::InsertDocument(const Document& document, int64_t kind) {
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare("INSERT INTO documents(digest,kind,media_type,subject,content) "
                        "VALUES(?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET kind=min(kind,?2)"));
  insert.Bind(1, document.digest.ToString()).Bind(2, kind).Bind(3, document.media_type);
  const bool is_manifest = kind % kThisNodesOnly == kManifestKind;
  insert.Bind(4, is_manifest ? SubjectOf(document) : "").BindBlob(5, document.content);
  return insert.Run();
}

absl::StatusOr<int64_t> ImageTable::Record(const NewImage& image) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database_));
  const int64_t whose = image.image.summary.recorded_by.empty() ? 0 : kThisNodesOnly;
  for (const Document& document : image.manifests)
    STOWAGE_RETURN_IF_ERROR(InsertDocument(document, kManifestKind + whose));
  for (const Document& document : image.blobs)
    STOWAGE_RETURN_IF_ERROR(InsertDocument(document, kBlobKind + whose));
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      database_.Prepare(
          "INSERT INTO "
          "images(cache_key,name,manifest_digest,config_digest,chain_id,summary,made_at) "
          "VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT(cache_key) DO UPDATE SET "
          "manifest_digest=?3,config_digest=?4,"
          "chain_id=?5,summary=?6,made_at=?7 RETURNING id"));
  insert.Bind(1, image.image.cache_key.ToString()).Bind(2, image.image.name);
  insert.Bind(3, image.image.manifest_digest.ToString())
      .Bind(4, image.image.config_digest.ToString());
  insert.Bind(5, image.image.chain_id.ToString()).Bind(6, EncodeSummary(image.image.summary));
  insert.Bind(7, absl::ToUnixNanos(absl::Now()));
  STOWAGE_RETURN_IF_ERROR(insert.Step().status());
  const int64_t id = insert.ColumnInt64(0);
  insert.Reset();
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement clear,
                           database_.Prepare("DELETE FROM image_layers WHERE image_id=?"));
  STOWAGE_RETURN_IF_ERROR(clear.Bind(1, id).Run());
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement link,
                           database_.Prepare("INSERT INTO image_layers VALUES(?1,?2,?3)"));
  for (size_t position = 0; position < image.layers.size(); ++position)
    STOWAGE_RETURN_IF_ERROR(link.Bind(1, id)
                                .Bind(2, static_cast<int64_t>(position))
                                .Bind(3, image.layers[position])
                                .Run());
  STOWAGE_FAULT_POINT("image.record.inserted");
  STOWAGE_RETURN_IF_ERROR(transaction.Commit());
  STOWAGE_FAULT_POINT("image.record.committed");
  return id;
}

absl::Status ImageTable::SetTag(const std::string& name, const std::string& tag, int64_t image,
                                const std::string& revision, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement insert,
                           database_.Prepare("INSERT OR REPLACE INTO tags VALUES(?1,?2,?3,?4,?5)"));
  return insert.Bind(1, name)
      .Bind(2, tag)
      .Bind(3, image)
      .Bind(4, revision)
      .Bind(5, absl::ToUnixNanos(now))
      .Run();
}

absl::StatusOr<ImageRecord> ImageTable::FindByCacheKey(const Digest& cache_key) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(absl::StrCat("SELECT ", kColumns, " FROM images WHERE cache_key=?")));
  STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, cache_key.ToString()).Step());
  if (!found) return absl::NotFoundError("no such image was made here");
  return ReadImage(query);
}

absl::StatusOr<TagRecord> ImageTable::FindTag(const std::string& name, const std::string& tag) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare(absl::StrCat(
                               "SELECT ", kColumns,
                               ",revision,resolved_at FROM tags JOIN images ON images.id=image_id "
                               "WHERE tags.name=?1 AND tag=?2")));
  STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, name).Bind(2, tag).Step());
  if (!found)
    return absl::NotFoundError(absl::StrCat("nix/", name, ":", tag,
                                            " was not resolved here yet; 'stowage resolve nix/",
                                            name, ":", tag, "' does it"));
  STOWAGE_ASSIGN_OR_RETURN(ImageRecord image, ReadImage(query));
  return TagRecord{std::move(image), query.ColumnText(7),
                   absl::FromUnixNanos(query.ColumnInt64(8))};
}

absl::StatusOr<std::vector<int64_t>> ImageTable::Layers(int64_t image) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare("SELECT layer_id FROM image_layers WHERE image_id=? ORDER BY position"));
  query.Bind(1, image);
  std::vector<int64_t> layers;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return layers;
    layers.push_back(query.ColumnInt64(0));
  }
}

absl::StatusOr<std::vector<std::string>> ImageTable::Tags(const std::string& name) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare("SELECT tag FROM tags WHERE name=? ORDER BY tag"));
  query.Bind(1, name);
  std::vector<std::string> tags;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) break;
    tags.push_back(query.ColumnText(0));
  }
  if (tags.empty())
    return absl::NotFoundError(absl::StrCat("nix/", name, " was not resolved here yet"));
  return tags;
}

absl::StatusOr<DocumentPointer> ImageTable::FindDocument(const Digest& digest,
                                                         absl::string_view kinds) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(absl::StrCat(
          "SELECT media_type,content FROM documents WHERE digest=?1 AND kind IN (", kinds, ")")));
  STOWAGE_ASSIGN_OR_RETURN(const bool found, query.Bind(1, digest.ToString()).Step());
  if (!found) return absl::NotFoundError(absl::StrCat(digest.ToString(), " is not known here"));
  return std::make_shared<const Document>(
      Document{digest, query.ColumnText(0), query.ColumnText(1)});
}

absl::StatusOr<DocumentPointer> ImageTable::FindManifest(const Digest& digest) {
  return FindDocument(digest, absl::StrCat(kManifestKind));
}

absl::StatusOr<DocumentPointer> ImageTable::FindBlob(const Digest& digest) {
  return FindDocument(digest, absl::StrCat(kBlobKind));
}

absl::StatusOr<DocumentPointer> ImageTable::FindDocument(const Digest& digest) {
  return FindDocument(digest, "0,1,2,3");
}

absl::StatusOr<std::vector<ReferrerRecord>> ImageTable::Referrers(const Digest& subject) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query,
                           database_.Prepare("SELECT digest,media_type,content FROM documents "
                                             "WHERE subject=?1 AND subject!='' AND kind=0 "
                                             "ORDER BY digest"));
  query.Bind(1, subject.ToString());
  std::vector<ReferrerRecord> referrers;
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return referrers;
    STOWAGE_ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(query.ColumnText(0)));
    const json value = json::parse(query.ColumnText(2), nullptr, false);
    referrers.push_back({value.is_object() ? value.value("artifactType", "") : "",
                         std::make_shared<const Document>(
                             Document{digest, query.ColumnText(1), query.ColumnText(2)})});
  }
}

absl::Status ImageTable::Extend(absl::string_view which, const Digest& digest, absl::Time now,
                                absl::Duration hold) {
  const absl::MutexLock lock(&mutex_);
  const std::string condition =
      absl::StrCat(" FROM layers WHERE hold_until<?2 AND ", which, " LIMIT 1");
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement due, database_.Prepare("SELECT 1" + condition));
  const int64_t renew_before = absl::ToUnixNanos(now + hold - hold / 4);
  STOWAGE_ASSIGN_OR_RETURN(const bool any,
                           due.Bind(1, digest.ToString()).Bind(2, renew_before).Step());
  due.Reset();
  // An UPDATE takes the writer's lock even if it finds nothing to change.
  if (!any) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement update,
                           database_.Prepare(absl::StrCat(
                               "UPDATE layers SET hold_until=?3 WHERE hold_until<?2 AND ", which)));
  update.Bind(1, digest.ToString()).Bind(2, renew_before);
  return update.Bind(3, absl::ToUnixNanos(now + hold)).Run();
}

absl::Status ImageTable::HoldImage(const Digest& manifest, absl::Time now, absl::Duration hold) {
  return Extend(
      "id IN (SELECT layer_id FROM image_layers JOIN images ON images.id=image_id "
      "WHERE manifest_digest=?1)",
      manifest, now, hold);
}

absl::Status ImageTable::HoldLayer(const Digest& diff_id, absl::Time now, absl::Duration hold) {
  return Extend("diff_id=?1", diff_id, now, hold);
}

absl::StatusOr<bool> ImageTable::Complete(const Digest& manifest) {
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(
          "SELECT 1 FROM images JOIN image_layers ON image_id=images.id JOIN layers ON "
          "layers.id=layer_id WHERE manifest_digest=?1 AND rooted=0 LIMIT 1"));
  STOWAGE_ASSIGN_OR_RETURN(const bool lacking, query.Bind(1, manifest.ToString()).Step());
  return !lacking;
}

absl::StatusOr<std::vector<LazyImageRecord>> ImageTable::LazyImages(
    absl::Span<const int64_t> promised) {
  std::vector<LazyImageRecord> images;
  if (promised.empty()) return images;
  const absl::MutexLock lock(&mutex_);
  STOWAGE_ASSIGN_OR_RETURN(
      SqliteStatement query,
      database_.Prepare(
          "WITH promised(object_number) AS (SELECT value FROM json_each(?1)), "
          "lazy(image_id) AS (SELECT DISTINCT image_id FROM promised JOIN layer_objects "
          "USING(object_number) JOIN image_layers USING(layer_id)) "
          "SELECT name, count(DISTINCT object_number), "
          "count(DISTINCT object_number) FILTER (WHERE object_number IN promised) "
          "FROM lazy JOIN images ON id=image_id JOIN image_layers USING(image_id) "
          "JOIN layer_objects USING(layer_id) WHERE NOT EXISTS(SELECT 1 FROM image_layers AS other "
          "JOIN layers ON layers.id=other.layer_id WHERE other.image_id=lazy.image_id AND "
          "rooted=0) "
          "GROUP BY image_id ORDER BY name"));
  query.Bind(1, absl::StrCat("[", absl::StrJoin(promised, ","), "]"));
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return images;
    const auto total = static_cast<uint64_t>(query.ColumnInt64(1));
    images.push_back(
        {query.ColumnText(0), total - static_cast<uint64_t>(query.ColumnInt64(2)), total});
  }
}

}  // namespace stowage
