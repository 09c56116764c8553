#include "fuse/backing_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "fuse/nodeid.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

// A session, and a connection that refuses to register anything: every file is to be served by
// READ. What a real one does is fuse_data_test's.
class Fixture {
 public:
  Fixture() {
    auto created = SavedSession::Create("/mnt", "0:53", "request", {DataMode::kPassthrough});
    REQUIRE_OK(created);
    session_ = std::make_unique<SavedSession>(*std::move(created));
    auto mapped = BackingTable::Map(*session_);
    REQUIRE_OK(mapped);
    table = std::make_unique<BackingTable>(*std::move(mapped));
    NextWorker();
  }
  void NextWorker() {
    files.reset();
    auto taken = BackingFiles::TakeOver(*session_, connection_.get(),
                                        [this](LogLevel, auto text) { log.emplace_back(text); });
    REQUIRE_OK(taken);
    files = *std::move(taken);
  }
  // How often the store's file was opened for it; the kernel's answer is left in `error`.
  int Open(uint64_t nodeid) {
    int opened = 0;
    int32_t backing_id = -1;
    const auto open_file = [&](UniqueFd* fd) {
      ++opened;
      fd->Reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      return store_error;
    };
    error = files->Open(nodeid, open_file, &backing_id);
    CHECK(backing_id == (error == 0 ? 0 : -1));
    return opened;
  }
  // The opens that the table has, of files in its order.
  std::vector<uint32_t> Opens() const {
    std::vector<uint32_t> opens;
    for (uint32_t place = 0; place < table->used(); ++place)
      if (const BackingRecord record = table->Read(place); record.nodeid != 0)
        opens.push_back(record.opens);
    return opens;
  }

  std::unique_ptr<BackingTable> table;
  std::unique_ptr<BackingFiles> files;
  std::vector<std::string> log;
  int store_error = 0;
  int error = 0;

 private:
  std::unique_ptr<SavedSession> session_;
  const UniqueFd connection_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
};

using Counts = std::vector<uint32_t>;
constexpr uint64_t kFirst = RegularFileNodeId(1, 4);
constexpr uint64_t kSecond = RegularFileNodeId(2, 4);

TEST_CASE("opens of a file are answered alike until the last is closed", "[fuse][backing_files]") {
  Fixture fixture;
  CHECK(fixture.Open(kFirst) == 1);
  CHECK(fixture.Open(kFirst) == 0);
  CHECK(fixture.Open(kSecond) == 1);
  CHECK(fixture.Opens() == Counts{2, 1});
  fixture.files->Close(kFirst);
  CHECK(fixture.Open(kFirst) == 0);
  fixture.files->Close(kFirst);
  fixture.files->Close(kFirst);
  CHECK(fixture.Opens() == Counts{1});
  fixture.files->Close(kFirst);  // one too many is nothing
  CHECK(fixture.Open(kFirst) == 1);
  CHECK(fixture.Opens() == Counts{1, 1});
  REQUIRE(fixture.log.size() == 1);
  CHECK(absl::StrContains(fixture.log[0], "passthrough_refused object=1 "));
}

TEST_CASE("the next worker goes on with the counts of the last", "[fuse][backing_files]") {
  Fixture fixture;
  fixture.Open(kFirst);
  fixture.Open(kFirst);
  fixture.Open(kSecond);
  fixture.files->Close(kSecond);
  // As left by a worker that was killed: registered once, and not open.
  fixture.table->Write(2, {RegularFileNodeId(3, 1), 77, 0});
  fixture.table->SetLastBackingId(77);
  fixture.NextWorker();
  CHECK(fixture.Opens() == Counts{2});
  CHECK(fixture.Open(kFirst) == 0);
  for (int i = 0; i < 3; ++i) fixture.files->Close(kFirst);
  CHECK(fixture.Opens().empty());
}

TEST_CASE("an error of the store is passed on and counts nothing", "[fuse][backing_files]") {
  Fixture fixture;
  fixture.store_error = EIO;
  CHECK(fixture.Open(kFirst) == 1);
  CHECK(fixture.error == EIO);
  CHECK(fixture.Opens().empty());
}

TEST_CASE("a removed object's files are forgotten although they are open",
          "[fuse][backing_files]") {
  Fixture fixture;
  fixture.Open(kFirst);
  fixture.Open(kSecond);
  fixture.files->Forget(std::nullopt);  // nobody knows which: those that are open stay
  CHECK(fixture.Opens() == Counts{1, 1});
  fixture.files->Forget(1);
  CHECK(fixture.Opens() == Counts{1});
  fixture.files->Close(kFirst);
  CHECK(fixture.Open(kSecond) == 0);
}

TEST_CASE("when all places belong to open files, the next is refused", "[fuse][backing_files]") {
  Fixture fixture;
  for (uint32_t entry = 0; entry < kBackingPlaces; ++entry)
    fixture.Open(RegularFileNodeId(5, entry));
  CHECK(fixture.error == 0);
  fixture.Open(kFirst);
  CHECK(fixture.error == ENFILE);
  fixture.files->Close(RegularFileNodeId(5, 77));
  fixture.Open(kFirst);
  CHECK(fixture.error == 0);
}

}  // namespace
}  // namespace stowage
