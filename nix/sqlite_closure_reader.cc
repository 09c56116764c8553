#include "nix/sqlite_closure_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "nix/closure_assembly.h"

namespace stowage {
namespace {

constexpr absl::string_view kSchema = "10";

absl::Status NotValid(const StorePath& path, absl::string_view how) {
  return absl::NotFoundError(
      absl::StrCat("store path ", path.ToString(), " ", how, "; resolve its image again"));
}

// Nix's database in one read transaction, which ends with the connection. NotFound is kept for
// store paths, so a database that is not there is Unavailable.
absl::StatusOr<SqliteDatabase> OpenForReading(const std::string& path) {
  SqliteOpenOptions options;
  options.read_only = true;
  absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(path, options);
  if (absl::IsNotFound(database.status()))
    return absl::UnavailableError(absl::StrCat("Nix's ", database.status().message()));
  if (!database.ok()) return Annotate(database.status(), "Nix's store");
  STOWAGE_RETURN_IF_ERROR(database->Execute("BEGIN"));
  return database;
}

// Breadth-first through the reference graph.
class GraphWalk {
 public:
  static absl::StatusOr<GraphWalk> Create(SqliteDatabase& database) {
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement find,
                             database.Prepare("SELECT id FROM ValidPaths WHERE path = ?"));
    STOWAGE_ASSIGN_OR_RETURN(
        SqliteStatement describe,
        database.Prepare("SELECT path, hash, narSize FROM ValidPaths WHERE id = ?"));
    STOWAGE_ASSIGN_OR_RETURN(SqliteStatement references,
                             database.Prepare("SELECT reference FROM Refs WHERE referrer = ?"));
    return GraphWalk(std::move(find), std::move(describe), std::move(references));
  }

  absl::Status AddRoot(const StorePath& path);
  absl::Status Walk();
  absl::StatusOr<Closure> Finish() && { return AssembleClosure(std::move(objects_), roots_); }

 private:
  GraphWalk(SqliteStatement find, SqliteStatement describe, SqliteStatement references)
      : find_(std::move(find)),
        describe_(std::move(describe)),
        references_(std::move(references)) {}

  uint32_t IndexOf(int64_t id);
  absl::Status Visit(int64_t id);

  SqliteStatement find_, describe_, references_;
  absl::flat_hash_map<int64_t, uint32_t> index_of_id_;
  std::vector<int64_t> ids_;  // in the order met; objects_ follows
  std::vector<ListedObject> objects_;
  std::vector<uint32_t> roots_;
};

uint32_t GraphWalk::IndexOf(int64_t id) {
  const auto [found, added] = index_of_id_.try_emplace(id, static_cast<uint32_t>(ids_.size()));
  if (added) ids_.push_back(id);
  return found->second;
}

absl::Status GraphWalk::AddRoot(const StorePath& path) {
  find_.Reset();
  find_.Bind(1, path.ToString());
  STOWAGE_ASSIGN_OR_RETURN(const bool valid, find_.Step());
  if (!valid) return NotValid(path, "is not valid (not built here, or garbage-collected)");
  roots_.push_back(IndexOf(find_.ColumnInt64(0)));
  return absl::OkStatus();
}

absl::Status GraphWalk::Visit(int64_t id) {
  describe_.Reset();
  describe_.Bind(1, id);
  STOWAGE_ASSIGN_OR_RETURN(const bool found, describe_.Step());
  if (!found)
    return absl::DataLossError(absl::StrCat("Nix's database: no row ", id, " in ValidPaths"));
  STOWAGE_ASSIGN_OR_RETURN(StorePath path, StorePath::Parse(describe_.ColumnText(0)));
  absl::StatusOr<Digest> hash = Digest::Parse(describe_.ColumnText(1));
  if (!hash.ok())
    return absl::DataLossError(
        absl::StrCat("Nix's database: hash of ", path.ToString(), ": ", hash.status().message()));
  ListedObject object{std::move(path), *hash, static_cast<uint64_t>(describe_.ColumnInt64(2)), {}};
  references_.Reset();
  references_.Bind(1, id);
  while (true) {
    STOWAGE_ASSIGN_OR_RETURN(const bool more, references_.Step());
    if (!more) break;
    object.references.push_back(IndexOf(references_.ColumnInt64(0)));
  }
  objects_.push_back(std::move(object));
  return absl::OkStatus();
}

absl::Status GraphWalk::Walk() {
  for (size_t i = objects_.size(); i < ids_.size(); ++i) STOWAGE_RETURN_IF_ERROR(Visit(ids_[i]));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteClosureReader>> SqliteClosureReader::Open(
    const std::string& database_directory, const std::string& store_directory) {
  const std::string schema_path = database_directory + "/schema";
  STOWAGE_ASSIGN_OR_RETURN(const std::string schema, ReadFile(schema_path, 64));
  if (absl::StripAsciiWhitespace(schema) != kSchema)
    return absl::FailedPreconditionError(absl::StrCat(schema_path, ": schema ",
                                                      absl::StripAsciiWhitespace(schema),
                                                      " is not known here; known is ", kSchema));
  auto reader = std::unique_ptr<SqliteClosureReader>(
      new SqliteClosureReader(database_directory + "/db.sqlite", store_directory));
  STOWAGE_RETURN_IF_ERROR(reader->Read({}).status());
  return reader;
}

absl::StatusOr<Closure> SqliteClosureReader::Read(absl::Span<const StorePath> roots) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenForReading(database_path_));
  STOWAGE_ASSIGN_OR_RETURN(GraphWalk walk, GraphWalk::Create(database));
  for (const StorePath& root : roots) STOWAGE_RETURN_IF_ERROR(walk.AddRoot(root));
  STOWAGE_RETURN_IF_ERROR(walk.Walk());
  return std::move(walk).Finish();
}

absl::Status SqliteClosureReader::CheckPathsValid(absl::Span<const StorePath> paths) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenForReading(database_path_));
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement find,
                           database.Prepare("SELECT 1 FROM ValidPaths WHERE path = ?"));
  const absl::StatusOr<UniqueFd> store = OpenAt(AT_FDCWD, store_directory_, O_PATH | O_DIRECTORY);
  if (!store.ok()) return absl::UnavailableError(store.status().message());
  for (const StorePath& path : paths) {
    find.Reset();
    find.Bind(1, path.ToString());
    STOWAGE_ASSIGN_OR_RETURN(const bool valid, find.Step());
    if (!valid) return NotValid(path, "is not valid any more (garbage-collected)");
    struct stat status;
    if (::fstatat(store->get(), path.base_name().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      continue;
    if (errno == ENOENT)
      return NotValid(path,
                      "is valid in Nix's database, but gone from disk (repair it with "
                      "`nix-store --verify --check-contents --repair`)");
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", path.ToString()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::optional<Digest>>> SqliteClosureReader::NarHashes(
    absl::Span<const StorePath> paths) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, OpenForReading(database_path_));
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement find,
                           database.Prepare("SELECT hash FROM ValidPaths WHERE path = ?"));
  std::vector<std::optional<Digest>> hashes;
  for (const StorePath& path : paths) {
    find.Reset();
    find.Bind(1, path.ToString());
    STOWAGE_ASSIGN_OR_RETURN(const bool valid, find.Step());
    hashes.emplace_back();
    if (!valid) continue;
    const absl::StatusOr<Digest> hash = Digest::Parse(find.ColumnText(0));
    if (!hash.ok())
      return absl::DataLossError(
          absl::StrCat("Nix's database: hash of ", path.ToString(), ": ", hash.status().message()));
    hashes.back() = *hash;
  }
  return hashes;
}

}  // namespace stowage
