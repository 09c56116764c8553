#include "plugin/state/state_database.h"

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

TEST_CASE("OpenStateDatabase refuses a database of a newer version", "[plugin][state_database]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("stowage.db");
  {
    auto database = OpenStateDatabase(path);
    REQUIRE_OK(database);
    REQUIRE_OK(database->Execute("PRAGMA user_version=" + std::to_string(kSchemaVersion + 1)));
  }
  CHECK(absl::IsFailedPrecondition(OpenStateDatabase(path).status()));
}

}  // namespace
}  // namespace stowage
