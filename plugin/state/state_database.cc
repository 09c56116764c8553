#include "plugin/state/state_database.h"

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "plugin/state/schema.h"

namespace stowage {
namespace {

absl::StatusOr<int64_t> SchemaVersion(SqliteDatabase& database) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteStatement query, database.Prepare("PRAGMA user_version"));
  STOWAGE_RETURN_IF_ERROR(query.Step().status());
  return query.ColumnInt64(0);
}

absl::Status CreateTables(SqliteDatabase& database, const std::string& path) {
  // The version is read inside the transaction: two components may open a new database at the same
  // moment.
  STOWAGE_ASSIGN_OR_RETURN(SqliteTransaction transaction, SqliteTransaction::Begin(database));
  STOWAGE_ASSIGN_OR_RETURN(const int64_t version, SchemaVersion(database));
  if (version > kSchemaVersion)
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path, ": it was written by a newer Stowage (schema ", version, ", this one knows ",
        kSchemaVersion, "); install that version again or remove the state directory"));
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version != 0 && version != kSchemaVersion - 1)
    return absl::FailedPreconditionError(absl::StrCat(
        "open ", path, ": it has schema ", version, ", and this Stowage takes ", kSchemaVersion - 1,
        " and ", kSchemaVersion, "; run a version in between first"));
  const bool is_new = version == 0;
  STOWAGE_RETURN_IF_ERROR(
      Annotate(database.Execute(is_new ? kSchema : kUpgradeOfVersionBefore),
               absl::StrCat(is_new ? "create" : "upgrade", " the tables of ", path)));
  STOWAGE_RETURN_IF_ERROR(database.Execute(absl::StrCat("PRAGMA user_version=", kSchemaVersion)));
  return transaction.Commit();
}

}  // namespace

absl::StatusOr<SqliteDatabase> OpenStateDatabase(const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(SqliteDatabase database, SqliteDatabase::Open(path));
  // The transaction ends inside: it refers to this object, which is moved from on return.
  STOWAGE_RETURN_IF_ERROR(CreateTables(database, path));
  return database;
}

}  // namespace stowage
