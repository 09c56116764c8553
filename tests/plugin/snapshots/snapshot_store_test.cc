#include "plugin/snapshots/snapshot_store.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/state/state_database.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

absl::Status NoDirectory(int64_t /*id*/) { return absl::OkStatus(); }

NewSnapshot Active(const std::string& key, const std::string& parent = "") {
  NewSnapshot snapshot;
  snapshot.key = key;
  snapshot.parent = parent;
  return snapshot;
}

class StoreFixture {
 public:
  StoreFixture() { Reopen(); }
  void Reopen() {
    store_.reset();
    auto opened = SnapshotStore::Open(directory_.Join("stowage.db"));
    REQUIRE_OK(opened);
    store_ = *std::move(opened);
  }
  SnapshotStore& store() { return *store_; }
  std::string path() const { return directory_.Join("stowage.db"); }

 private:
  testing::TemporaryDirectory directory_;
  std::unique_ptr<SnapshotStore> store_;
};

TEST_CASE("SnapshotStore::Create undoes the row when its directory cannot be placed",
          "[plugin][snapshot_store]") {
  StoreFixture fixture;
  int64_t tried = 0;
  const auto refuse = [&](int64_t id) {
    tried = id;
    return absl::ResourceExhaustedError("disk full");
  };
  CHECK(absl::IsResourceExhausted(fixture.store().Create(Active("key"), refuse).status()));
  CHECK(tried == 1);
  CHECK(absl::IsNotFound(fixture.store().Find("key").status()));
  CHECK(fixture.store().Create(Active("key"), NoDirectory).ok());  // the transaction is over
}

TEST_CASE("SnapshotStore never uses a number twice", "[plugin][snapshot_store]") {
  StoreFixture fixture;
  const auto first = fixture.store().Create(Active("key"), NoDirectory);
  REQUIRE_OK(first);
  REQUIRE_OK(fixture.store().Remove("key"));
  const auto second = fixture.store().Create(Active("key"), NoDirectory);
  REQUIRE_OK(second);
  CHECK(*second == *first + 1);
}

TEST_CASE("SnapshotStore::Commit refuses a snapshot that was replaced meanwhile",
          "[plugin][snapshot_store]") {
  StoreFixture fixture;
  const auto first = fixture.store().Create(Active("key"), NoDirectory);
  REQUIRE_OK(first);
  REQUIRE_OK(fixture.store().Remove("key"));
  REQUIRE_OK(fixture.store().Create(Active("key"), NoDirectory));
  CHECK(absl::IsFailedPrecondition(fixture.store().Commit(*first, "key", "name", {}, {})));
  CHECK(absl::IsNotFound(fixture.store().Find("name").status()));
}

TEST_CASE("SnapshotStore::Chain lists a chain top first", "[plugin][snapshot_store]") {
  StoreFixture fixture;
  SnapshotStore& store = fixture.store();
  std::string parent;
  for (int i = 1; i <= 3; ++i) {
    const auto id = store.Create(Active("key", parent), NoDirectory);
    REQUIRE_OK(id);
    parent = absl::StrCat("name ", i);
    REQUIRE_OK(store.Commit(*id, "key", parent, {}, {}));
  }
  const auto chain = store.Chain(3);
  REQUIRE_OK(chain);
  REQUIRE(chain->size() == 3);
  CHECK((*chain)[0].id == 3);
  CHECK((*chain)[2].id == 1);
  CHECK_FALSE((*chain)[0].is_remote);
  CHECK(absl::IsNotFound(store.Chain(99).status()));
}

TEST_CASE("SnapshotStore does not open a database whose numbers it does not know",
          "[plugin][snapshot_store]") {
  const std::string change = GENERATE("driver = 2", "driver = -1", "kind = 0", "kind = 4");
  StoreFixture fixture;
  REQUIRE_OK(fixture.store().Create(Active("odd"), NoDirectory));
  auto database = OpenStateDatabase(fixture.path());
  REQUIRE_OK(database);
  REQUIRE_OK(database->Execute(absl::StrCat("UPDATE snapshots SET ", change)));
  const absl::Status status = SnapshotStore::Open(fixture.path()).status();
  CHECK(absl::IsDataLoss(status));
  CHECK(absl::StrContains(status.message(), "snapshot odd in the database has kind"));
}

// What memory answers must be what the database answers to the next process.
TEST_CASE("SnapshotStore answers the same after it was opened again", "[plugin][snapshot_store]") {
  StoreFixture fixture;
  const auto base = fixture.store().Create(Active("extract"), NoDirectory);
  REQUIRE_OK(base);
  REQUIRE_OK(fixture.store().Commit(*base, "extract", "base", {{"a", "1"}, {"empty", ""}},
                                    {.size_bytes = 4096, .inodes = 3}));
  NewSnapshot child = Active("child", "base");
  child.labels = {{"b", "2"}, {"stowage.remote", "true"}};
  REQUIRE_OK(fixture.store().Create(child, NoDirectory));
  NewSnapshot remote;
  remote.kind = SnapshotKind::kCommitted;
  remote.key = "remote";
  remote.chain_id = "sha256:1";
  REQUIRE_OK(fixture.store().EnsureRemote(remote, "ref"));
  REQUIRE_OK(fixture.store().EnsureRemote(remote, "ref"));  // now with its label
  Snapshot wanted;
  wanted.name = "child";
  wanted.labels = {{"c", "3"}};
  REQUIRE_OK(fixture.store().Update(wanted, {"labels.c"}));
  REQUIRE_OK(fixture.store().Create(Active("gone"), NoDirectory));
  REQUIRE_OK(fixture.store().Remove("gone"));

  const auto state = [&] {
    std::string text;
    for (const char* key : {"extract", "base", "child", "remote", "gone"}) {
      const auto found = fixture.store().Find(key);
      absl::StrAppend(&text, key, ": ");
      if (found.ok()) {
        const Snapshot& shown = found->snapshot;
        absl::StrAppend(&text, found->id, " on ", found->parent_id, " ", shown.parent, " kind ",
                        static_cast<int>(shown.kind), " ", absl::FormatTime(shown.created_at), " ",
                        absl::FormatTime(shown.updated_at), " ", found->chain_id, " ",
                        found->usage.size_bytes, " ", found->usage.inodes);
        for (const auto& [label, value] : shown.labels)
          absl::StrAppend(&text, " ", label, "=", value);
      }
      absl::StrAppend(&text, "\n");
    }
    return text;
  };
  const std::string before = state();
  CHECK(absl::StrContains(before, "base: 1 on 0  kind 3"));
  CHECK(absl::StrContains(before, "4096 3 a=1\n"));
  CHECK(absl::StrContains(before, "b=2 c=3\n"));
  CHECK(absl::StrContains(before, "ref=sha256:1 stowage.remote=true\n"));
  fixture.Reopen();
  CHECK(state() == before);
  CHECK(absl::IsFailedPrecondition(fixture.store().Remove("base").status()));
  REQUIRE_OK(fixture.store().Remove("child"));
  REQUIRE_OK(fixture.store().Remove("base"));
}

TEST_CASE("SnapshotStore::Read pages by id and by label", "[plugin][snapshot_store]") {
  StoreFixture fixture;
  SnapshotStore& store = fixture.store();
  for (int i = 1; i <= 5; ++i) {
    NewSnapshot snapshot = Active(absl::StrCat("key ", i));
    snapshot.labels = {{"parity", i % 2 == 0 ? "even" : "odd"}};
    REQUIRE_OK(store.Create(snapshot, NoDirectory));
  }
  const auto ids = [&](const SnapshotPage& page) {
    const auto rows = store.Read(page);
    REQUIRE_OK(rows);
    std::vector<int64_t> out;
    for (const StoredSnapshot& row : *rows) out.push_back(row.id);
    return out;
  };
  CHECK(ids({.after_id = 1, .limit = 2, .label_name = "", .label_value = ""}) ==
        std::vector<int64_t>{2, 3});
  CHECK(ids({.after_id = 1, .limit = 9, .label_name = "parity", .label_value = "odd"}) ==
        std::vector<int64_t>{3, 5});
  CHECK(ids({.after_id = 5, .limit = 9, .label_name = "", .label_value = ""}).empty());
}

}  // namespace
}  // namespace stowage
