#include "nix/sqlite_closure_reader.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "base/sqlite.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

// A database as Nix's libstore/schema.sql makes it, with paths a, b, c, d: a -> b, c; b -> c, b; d
// alone.
class FakeStore {
 public:
  FakeStore() {
    REQUIRE_OK(MakeDirectories(store()));
    REQUIRE_OK(WriteFileAtomically(directory_.Join("schema"), "10"));
    auto database = SqliteDatabase::Open(directory_.Join("db.sqlite"));
    REQUIRE_OK(database);
    REQUIRE_OK(database->Execute(
        "create table ValidPaths (id integer primary key autoincrement not null, path text unique "
        "not null,"
        " hash text not null, registrationTime integer not null, deriver text, narSize integer, "
        "ultimate integer,"
        " sigs text, ca text);"
        "create table Refs (referrer integer not null, reference integer not null,"
        " primary key (referrer, reference));"));
    for (const char name : {'d', 'c', 'b', 'a'}) {
      REQUIRE_OK(database->Execute(
          absl::StrCat("insert into ValidPaths values (null, '", Path(name).ToString(), "', '",
                       Hash(name).ToString(), "', 1, null, ", int{name}, ", 1, null, null)")));
      REQUIRE_OK(WriteFileAtomically(absl::StrCat(store(), "/", Path(name).base_name()), "x"));
    }
    REQUIRE_OK(database->Execute("insert into Refs values (4,3), (4,2), (3,2), (3,3)"));
  }

  static StorePath Path(char name) {
    return *StorePath::FromBaseName(absl::StrCat(std::string(32, name), "-", std::string(1, name)));
  }
  static Digest Hash(char name) { return Sha256(std::string(1, name)); }
  std::string path() const { return directory_.path(); }
  std::string store() const { return directory_.Join("store"); }
  std::unique_ptr<SqliteClosureReader> Open() const {
    auto reader = SqliteClosureReader::Open(path(), store());
    REQUIRE_OK(reader);
    return *std::move(reader);
  }

 private:
  testing::TemporaryDirectory directory_;
};

TEST_CASE("SqliteClosureReader reads what roots need", "[nix][sqlite_closure_reader]") {
  const FakeStore store;
  const auto closure =
      store.Open()->Read(std::vector<StorePath>{FakeStore::Path('b'), FakeStore::Path('a')});
  REQUIRE_OK(closure);
  REQUIRE(closure->objects.size() == 3);
  CHECK(closure->objects[0].path == FakeStore::Path('a'));
  CHECK(closure->objects[0].nar_hash == FakeStore::Hash('a'));
  CHECK(closure->objects[0].nar_size_bytes == 'a');
  CHECK(closure->objects[0].references == std::vector<uint32_t>{1, 2});
  CHECK(closure->objects[1].references == std::vector<uint32_t>{2});
  CHECK(closure->objects[2].references.empty());
  CHECK(closure->roots == std::vector<uint32_t>{1, 0});
}

TEST_CASE("SqliteClosureReader names a root that is not valid", "[nix][sqlite_closure_reader]") {
  const FakeStore store;
  const StorePath missing = FakeStore::Path('f');
  const auto status =
      store.Open()->Read(std::vector<StorePath>{FakeStore::Path('a'), missing}).status();
  CHECK(absl::IsNotFound(status));
  CHECK(absl::StrContains(status.message(), missing.ToString()));
}

TEST_CASE("SqliteClosureReader checks that paths are valid and on disk",
          "[nix][sqlite_closure_reader]") {
  const FakeStore store;
  const auto reader = store.Open();
  CHECK(reader->CheckPathsValid({}).ok());
  CHECK(reader->CheckPathsValid(std::vector<StorePath>{FakeStore::Path('a'), FakeStore::Path('d')})
            .ok());

  const auto invalid =
      reader->CheckPathsValid(std::vector<StorePath>{FakeStore::Path('a'), FakeStore::Path('f')});
  CHECK(absl::IsNotFound(invalid));
  CHECK(absl::StrContains(invalid.message(),
                          FakeStore::Path('f').ToString() + " is not valid any more"));

  REQUIRE_OK(RemoveTree(absl::StrCat(store.store(), "/", FakeStore::Path('d').base_name())));
  const auto gone =
      reader->CheckPathsValid(std::vector<StorePath>{FakeStore::Path('a'), FakeStore::Path('d')});
  CHECK(absl::IsNotFound(gone));
  CHECK(absl::StrContains(
      gone.message(), FakeStore::Path('d').ToString() + " is valid in Nix's database, but gone"));
}

TEST_CASE("SqliteClosureReader opens schema 10 only", "[nix][sqlite_closure_reader]") {
  const FakeStore store;
  REQUIRE_OK(WriteFileAtomically(store.path() + "/schema", "11\n"));
  const auto status = SqliteClosureReader::Open(store.path()).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "schema 11 is not known"));
}

TEST_CASE("SqliteClosureReader says that there is no database", "[nix][sqlite_closure_reader]") {
  const testing::TemporaryDirectory empty;
  CHECK(absl::IsNotFound(SqliteClosureReader::Open(empty.path()).status()));
  REQUIRE_OK(WriteFileAtomically(empty.Join("schema"), "10"));
  CHECK(absl::IsUnavailable(SqliteClosureReader::Open(empty.path()).status()));
  REQUIRE_OK(WriteFileAtomically(empty.Join("db.sqlite"), std::string(5000, 'x')));
  CHECK(absl::IsFailedPrecondition(SqliteClosureReader::Open(empty.path()).status()));
}

TEST_CASE("SqliteClosureReader reports a damaged database", "[nix][sqlite_closure_reader]") {
  const FakeStore store;
  auto database = SqliteDatabase::Open(store.path() + "/db.sqlite");
  REQUIRE_OK(database);
  REQUIRE_OK(database->Execute(GENERATE("delete from ValidPaths where id = 2",
                                        "update ValidPaths set hash = 'md5:1' where id = 2")));
  CHECK(
      absl::IsDataLoss(store.Open()->Read(std::vector<StorePath>{FakeStore::Path('a')}).status()));
}

}  // namespace
}  // namespace stowage
