#include "plugin/state/state_database.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/state/schema.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("OpenStateDatabase makes the tables once and leaves no transaction open",
          "[plugin][state_database]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("stowage.db");
  auto first = OpenStateDatabase(path);
  REQUIRE_OK(first);
  REQUIRE_OK(first->Execute("INSERT INTO views(view_key) VALUES('a')"));
  auto second = OpenStateDatabase(path);
  REQUIRE_OK(second);
  for (SqliteDatabase* database : {&*first, &*second, &*first}) {
    REQUIRE_OK(database->Execute("BEGIN IMMEDIATE"));
    REQUIRE_OK(database->Execute("COMMIT"));
  }
}

TEST_CASE("OpenStateDatabase brings the version before to this one and keeps its rows",
          "[plugin][state_database]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("stowage.db");
  {
    auto database = OpenStateDatabase(path);
    REQUIRE_OK(database);
    REQUIRE_OK(database->Execute(
        "DROP INDEX layers_to_hash; ALTER TABLE layers DROP COLUMN recorded_by; "
        "INSERT INTO layers(content_key,kind,diff_id,size_bytes) VALUES('old',0,'d',1)"));
    REQUIRE_OK(database->Execute(absl::StrCat("PRAGMA user_version=", kSchemaVersion - 1)));
  }
  auto database = OpenStateDatabase(path);
  REQUIRE_OK(database);
  auto query = database->Prepare("SELECT recorded_by FROM layers WHERE content_key='old'");
  REQUIRE_OK(query);
  REQUIRE(query->Step().value());
  CHECK(query->ColumnText(0).empty());
}

TEST_CASE(
    "OpenStateDatabase refuses tables of another version than they say and leaves them as they are",
    "[plugin][state_database]") {
  const auto [version, code, words] = GENERATE(table<int64_t, absl::StatusCode, std::string>({
      {kSchemaVersion + 1, absl::StatusCode::kFailedPrecondition, "written by a newer Stowage"},
      {kSchemaVersion - 1, absl::StatusCode::kInternal, "upgrade the tables of"},
      {0, absl::StatusCode::kInternal, "create the tables of"},
  }));
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("stowage.db");
  const auto user_version = [](SqliteDatabase& database) {
    auto query = database.Prepare("PRAGMA user_version");
    REQUIRE_OK(query);
    REQUIRE_OK(query->Step());
    return query->ColumnInt64(0);
  };
  auto other = OpenStateDatabase(path);
  REQUIRE_OK(other);
  REQUIRE_OK(other->Execute("INSERT INTO views(view_key) VALUES('a')"));
  REQUIRE_OK(other->Execute(absl::StrCat("PRAGMA user_version=", version)));
  const absl::Status refused = OpenStateDatabase(path).status();
  CHECK(refused.code() == code);
  CHECK(absl::StrContains(refused.message(), path));
  CHECK(absl::StrContains(refused.message(), words));
  CHECK(user_version(*other) == version);
  CHECK(other->Execute("INSERT INTO views(number, view_key) VALUES(2, 'b')").ok());
}

}  // namespace
}  // namespace stowage
