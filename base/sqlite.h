#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace stowage {

// One prepared statement. Parameters are numbered from 1, columns from 0. Borrows its database. Not
// thread-safe.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&& other) noexcept;
  ~SqliteStatement();

  SqliteStatement& Bind(int parameter, int64_t value);
  SqliteStatement& Bind(int parameter, absl::string_view text);
  SqliteStatement& BindBlob(int parameter, absl::string_view bytes);
  SqliteStatement& BindNull(int parameter);

  // True: a row is there to be read. False: done. Errors: as SqliteDatabase::Execute; also an
  // earlier failed Bind.
  absl::StatusOr<bool> Step();
  // Steps to the end, for statements without rows, and resets.
  absl::Status Run();
  // Makes the statement ready for new parameters.
  void Reset();

  int64_t ColumnInt64(int column) const;
  std::string ColumnText(int column) const;  // also for blobs; NULL is ""
  bool ColumnIsNull(int column) const;

 private:
  friend class SqliteDatabase;
  SqliteStatement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  sqlite3* database_;
  sqlite3_stmt* statement_;
  int bind_error_ = 0;
};

struct SqliteOpenOptions {
  bool read_only = false;
  absl::Duration busy_timeout = absl::Seconds(10);
};

// One connection to an SQLite database file; writable ones are in WAL mode with synchronous=NORMAL.
// Not thread-safe: one thread at a time, statements included.
class SqliteDatabase {
 public:
  // Errors: NotFound/PermissionDenied/... when the file cannot be opened, FailedPrecondition when
  // it is no database.
  static absl::StatusOr<SqliteDatabase> Open(const std::string& path,
                                             const SqliteOpenOptions& options = {});
  SqliteDatabase(SqliteDatabase&& other) noexcept;
  SqliteDatabase& operator=(SqliteDatabase&& other) noexcept;
  ~SqliteDatabase();

  // Runs one or several statements that return no rows. Errors: AlreadyExists for a broken UNIQUE
  // or PRIMARY KEY, FailedPrecondition for another constraint, ResourceExhausted for a full disk,
  // Unavailable for a database that stays locked, DataLoss for a damaged one, else Internal. The
  // message has SQLite's own words.
  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);
  int64_t LastInsertRowId() const;
  int64_t Changes() const;

 private:
  explicit SqliteDatabase(sqlite3* database) : database_(database) {}
  sqlite3* database_;
};

// A write transaction (BEGIN IMMEDIATE), rolled back by the destructor unless committed.
class SqliteTransaction {
 public:
  static absl::StatusOr<SqliteTransaction> Begin(SqliteDatabase& database);
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();
  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDatabase* database) : database_(database) {}
  SqliteDatabase* database_;  // null once committed or moved from
};

}  // namespace stowage
