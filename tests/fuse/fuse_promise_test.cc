// Who looks into a store path that is still to be fetched waits, and nobody else does. Needs root
// and /dev/fuse.

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "fuse/request_loop.h"
#include "fuse/saved_session.h"
#include "tests/fuse/fake_stowaged.h"
#include "tests/fuse/fuse_server.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FakeStowaged;
using testing::FuseServer;
using testing::FuseServerOptions;
using testing::SleepMs;
using testing::StoreTree;
using Kind = FetchMessage::Kind;

constexpr int kPatienceSeconds = 2;

// "p1002-promised" for object 2: sorted by number.
std::string NameOf(uint64_t object) { return absl::StrCat("p", 1000 + object, "-promised"); }

// A mount with one store path that is there, and objects 2 and so on that are promised. Each has a
// name of its own: the kernel lets one look-up of a name through at a time.
struct PromisedStore {
  StoreTree store;
  std::unique_ptr<FuseServer> server;

  explicit PromisedStore(uint64_t count = 1, const std::vector<std::string>& arguments = {}) {
    store.File("aaa-there/file", "there");
    store.Index("aaa-there", 1);
    REQUIRE_OK(MakeDirectories(store.state() + "/promises"));
    std::vector<ViewSlot> slots = {{"aaa-there", 1}};
    for (uint64_t object = 2; object < count + 2; ++object) {
      slots.push_back({NameOf(object), object});
      REQUIRE_OK(WriteFileAtomically(PromisePath(object), ""));
    }
    store.View(1, slots);
    FuseServerOptions options;
    options.arguments = arguments;
    options.arguments.push_back(absl::StrCat("--stowaged-patience=", kPatienceSeconds));
    server =
        std::make_unique<FuseServer>(store.state(), store.store(), store.root() + "/fs", options);
  }
  std::string PromisePath(uint64_t object) const {
    return absl::StrCat(store.state(), "/promises/", object);
  }
  std::string Path(const std::string& name) const {
    return absl::StrCat(server->mount_point(), "/1/nix/store/", name);
  }
  // As stowaged does it: store path, index, promise.
  void Keep(uint64_t object) {
    store.File(NameOf(object) + "/file", "promised");
    store.Index(NameOf(object), object);
    REQUIRE(::unlink(PromisePath(object).c_str()) == 0);
  }
  bool ReadsWhatIsThere() const { return ReadFile(Path("aaa-there/file")).value_or("") == "there"; }
};

// A thread for each of the promised objects that reads its file.
class Readers {
 public:
  Readers(const PromisedStore& promised, uint64_t count) {
    for (uint64_t object = 2; object < count + 2; ++object) {
      threads_.emplace_back([this, path = promised.Path(NameOf(object) + "/file")] {
        const auto text = ReadFile(path);
        right_ += text.ok() && *text == "promised" ? 1 : 0;
        ++done_;
      });
    }
  }
  ~Readers() {
    for (std::thread& thread : threads_) thread.join();
  }
  size_t done() const { return done_; }
  size_t right() const { return right_; }

 private:
  std::atomic<size_t> done_ = 0;
  std::atomic<size_t> right_ = 0;
  std::vector<std::thread> threads_;
};

// The objects that are asked for next, each once.
void ReadQuestions(FakeStowaged& stowaged, uint64_t count) {
  std::set<uint64_t> asked;
  for (uint64_t i = 0; i < count; ++i) {
    const FetchMessage message = stowaged.Read();
    CHECK(message.kind == Kind::kFetch);
    asked.insert(message.object_number);
  }
  CHECK(asked.size() == count);
  CHECK(*asked.begin() == 2);
  CHECK(*asked.rbegin() == count + 1);
}

void KeepAll(PromisedStore& promised, FakeStowaged& stowaged, uint64_t count) {
  for (uint64_t object = 2; object < count + 2; ++object) {
    promised.Keep(object);
    stowaged.Send(EncodeFetchMessage({Kind::kFetched, object}));
  }
}

TEST_CASE("readers of promised store paths wait, more than there are slots, and no one else does",
          "[integration][fuse]") {
  constexpr uint64_t kCount = kSessionSlots + 50;
  PromisedStore promised(kCount);
  FakeStowaged stowaged(promised.store.state());
  Readers readers(promised, kCount);
  stowaged.Accept();
  ReadQuestions(stowaged, kCount);
  CHECK(readers.done() == 0);
  CHECK(promised.ReadsWhatIsThere());
  const auto names = ListDirectory(promised.Path(""));
  REQUIRE_OK(names);
  CHECK(names->size() == kCount + 1);
  KeepAll(promised, stowaged, kCount);
  CHECK(Eventually([&] { return readers.done() == kCount; }));
  CHECK(readers.right() == kCount);
}

TEST_CASE("readers wait through the death of workers and of stowaged", "[integration][fuse]") {
  constexpr uint64_t kCount = 20;
  PromisedStore promised(kCount);
  auto stowaged = std::make_unique<FakeStowaged>(promised.store.state());
  Readers readers(promised, kCount);
  stowaged->Accept();
  ReadQuestions(*stowaged, kCount);
  for (uint32_t i = 0; i < RequestLoop::kMaxAttempts + 2; ++i) {
    REQUIRE(::kill(promised.server->Worker(), SIGKILL) == 0);
    stowaged->Accept();
    ReadQuestions(*stowaged, kCount);
  }
  stowaged.reset();
  SleepMs(500);
  stowaged = std::make_unique<FakeStowaged>(promised.store.state());
  stowaged->Accept();
  ReadQuestions(*stowaged, kCount);
  CHECK(readers.done() == 0);
  CHECK(promised.ReadsWhatIsThere());
  KeepAll(promised, *stowaged, kCount);
  CHECK(Eventually([&] { return readers.done() == kCount; }));
  CHECK(readers.right() == kCount);
}

TEST_CASE("without FUSE_NOTIFY_RESEND a reader without a slot is turned away, the others are kept",
          "[integration][fuse]") {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kWaiting = kSessionSlots - kThreads;
  constexpr uint64_t kTurnedAway = 50;
  PromisedStore promised(kWaiting + kTurnedAway,
                         {"--no-resend", absl::StrCat("--threads=", kThreads)});
  FakeStowaged stowaged(promised.store.state());
  Readers readers(promised, kWaiting + kTurnedAway);
  stowaged.Accept();
  std::set<uint64_t> asked;
  for (uint64_t i = 0; i < kWaiting; ++i) asked.insert(stowaged.Read().object_number);
  CHECK(asked.size() == kWaiting);
  CHECK(Eventually([&] { return readers.done() == kTurnedAway; }));
  CHECK(readers.right() == 0);
  const std::string log = promised.server->Log();
  const size_t logged = log.find("reader_turned_away object=");
  REQUIRE(logged != std::string::npos);
  CHECK(log.find("reader_turned_away", logged + 1) == std::string::npos);
  REQUIRE(::kill(promised.server->Worker(), SIGKILL) == 0);
  stowaged.Accept();
  std::set<uint64_t> asked_again;
  for (uint64_t i = 0; i < kWaiting; ++i) asked_again.insert(stowaged.Read().object_number);
  CHECK(asked_again == asked);
  CHECK(promised.ReadsWhatIsThere());
  KeepAll(promised, stowaged, kWaiting + kTurnedAway);
  CHECK(Eventually([&] { return readers.done() == kWaiting + kTurnedAway; }));
  CHECK(readers.right() == kWaiting);
}

TEST_CASE("what cannot be had is EIO, and asked for again", "[integration][fuse]") {
  PromisedStore promised;
  struct stat status;
  const auto look = [&] {
    return ::stat(promised.Path(NameOf(2)).c_str(), &status) == 0 ? 0 : errno;
  };
  // Nobody to ask.
  CHECK(look() == EIO);
  CHECK(promised.server->Log().find("stowaged_away objects=1") != std::string::npos);
  FakeStowaged stowaged(promised.store.state());
  for (const Kind answer : {Kind::kFailed, Kind::kFetched}) {
    int error = -1;
    std::thread reader([&] { error = look(); });
    if (answer == Kind::kFailed) stowaged.Accept();
    CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 2});
    if (answer == Kind::kFetched) promised.Keep(2);
    stowaged.Send(EncodeFetchMessage({answer, 2}));
    reader.join();
    CHECK(error == (answer == Kind::kFailed ? EIO : 0));
  }
}

TEST_CASE("a waiting reader that is killed dies at once, one that gets another signal waits on",
          "[integration][fuse]") {
  PromisedStore promised;
  FakeStowaged stowaged(promised.store.state());
  const std::string path = promised.Path(NameOf(2));
  const pid_t reader = ::fork();
  if (reader == 0) {
    struct stat status;
    (void)::signal(SIGUSR1, [](int) {});
    ::_exit(::stat(path.c_str(), &status) == 0 ? 0 : errno);
  }
  stowaged.Accept();
  CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 2});
  REQUIRE(::kill(reader, SIGUSR1) == 0);
  SleepMs(600);
  int result = 0;
  CHECK(::waitpid(reader, &result, WNOHANG) == 0);
  SECTION("killed") {
    REQUIRE(::kill(reader, SIGKILL) == 0);
    CHECK(stowaged.Read() == FetchMessage{Kind::kForget, 2});
    REQUIRE(Eventually([&] { return ::waitpid(reader, &result, WNOHANG) == reader; }));
    CHECK(WIFSIGNALED(result));
  }
  SECTION("served") {
    promised.Keep(2);
    stowaged.Send(EncodeFetchMessage({Kind::kFetched, 2}));
    REQUIRE(Eventually([&] { return ::waitpid(reader, &result, WNOHANG) == reader; }));
    CHECK((WIFEXITED(result) && WEXITSTATUS(result) == 0));
  }
}

}  // namespace
}  // namespace stowage
