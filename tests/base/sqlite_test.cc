#include "base/sqlite.h"

#include "base/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("SqliteStatement binds and reads back text, numbers, blobs and NULL", "[base][sqlite]") {
  const testing::TemporaryDirectory directory;
  auto database = SqliteDatabase::Open(directory.Join("db"));
  REQUIRE_OK(database);
  REQUIRE_OK(database->Execute("CREATE TABLE t(a INTEGER, b TEXT, c BLOB, d TEXT)"));
  const std::string blob("\0\x01\xff", 3);
  auto insert = database->Prepare("INSERT INTO t VALUES(?,?,?,?)");
  REQUIRE_OK(insert);
  REQUIRE_OK(insert->Bind(1, int64_t{1} << 40).Bind(2, "text").BindBlob(3, blob).BindNull(4).Run());
  CHECK(database->LastInsertRowId() == 1);
  auto select = database->Prepare("SELECT a,b,c,d FROM t");
  REQUIRE_OK(select);
  REQUIRE(select->Step().value());
  CHECK(select->ColumnInt64(0) == int64_t{1} << 40);
  CHECK(select->ColumnText(1) == "text");
  CHECK(select->ColumnText(2) == blob);
  CHECK(select->ColumnIsNull(3));
  CHECK_FALSE(select->Step().value());
}

TEST_CASE(
    "SqliteDatabase maps a broken UNIQUE to AlreadyExists and other constraints to "
    "FailedPrecondition",
    "[base][sqlite]") {
  const testing::TemporaryDirectory directory;
  auto database = SqliteDatabase::Open(directory.Join("db"));
  REQUIRE_OK(database);
  REQUIRE_OK(
      database->Execute("CREATE TABLE t(a INTEGER UNIQUE CHECK (a > 0)); INSERT INTO t VALUES(1)"));
  CHECK(absl::IsAlreadyExists(database->Execute("INSERT INTO t VALUES(1)")));
  CHECK(absl::IsFailedPrecondition(database->Execute("INSERT INTO t VALUES(-1)")));
}

TEST_CASE("SqliteTransaction rolls back unless committed", "[base][sqlite]") {
  const testing::TemporaryDirectory directory;
  auto database = SqliteDatabase::Open(directory.Join("db"));
  REQUIRE_OK(database);
  REQUIRE_OK(database->Execute("CREATE TABLE t(a)"));
  {
    auto transaction = SqliteTransaction::Begin(*database);
    REQUIRE_OK(transaction);
    REQUIRE_OK(database->Execute("INSERT INTO t VALUES(1)"));
  }
  {
    auto transaction = SqliteTransaction::Begin(*database);
    REQUIRE_OK(transaction);
    REQUIRE_OK(database->Execute("INSERT INTO t VALUES(2)"));
    REQUIRE_OK(transaction->Commit());
  }
  auto select = database->Prepare("SELECT a FROM t");
  REQUIRE(select->Step().value());
  CHECK(select->ColumnInt64(0) == 2);
  CHECK_FALSE(select->Step().value());
}

TEST_CASE("SqliteDatabase refuses a file that is no database and one that is not there",
          "[base][sqlite]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteFileAtomically(directory.Join("db"), std::string(4096, 'x')));
  CHECK(absl::IsFailedPrecondition(SqliteDatabase::Open(directory.Join("db")).status()));
  CHECK(
      absl::IsNotFound(SqliteDatabase::Open(directory.Join("none"), {.read_only = true}).status()));
}

}  // namespace
}  // namespace stowage
