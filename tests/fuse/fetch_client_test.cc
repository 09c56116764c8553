#include "fuse/fetch_client.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tests/fuse/fake_stowaged.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::FakeStowaged;
using Kind = FetchMessage::Kind;
using Answers = std::vector<std::pair<uint64_t, int>>;

constexpr int kWaitMs = 5000;

struct Fixture {
  testing::TemporaryDirectory directory;
  absl::Mutex mutex;
  Answers answers ABSL_GUARDED_BY(mutex);
  std::vector<std::string> log ABSL_GUARDED_BY(mutex);

  std::unique_ptr<FetchClient> Start(absl::Duration patience) {
    auto state = OpenAt(AT_FDCWD, directory.path(), O_PATH | O_DIRECTORY);
    REQUIRE_OK(state);
    FetchClient::Options options;
    options.patience = patience;
    options.on_answer = [this](uint64_t object, int error) {
      const absl::MutexLock lock(&mutex);
      answers.emplace_back(object, error);
    };
    options.on_tick = [] {};
    options.log = [this](LogLevel, absl::string_view line) {
      const absl::MutexLock lock(&mutex);
      log.emplace_back(line);
    };
    auto client = FetchClient::Start(*std::move(state), std::move(options));
    REQUIRE_OK(client);
    return *std::move(client);
  }
  Answers Await(size_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex) { return answers.size() >= count; };
    const absl::MutexLock lock(&mutex);
    mutex.AwaitWithTimeout(absl::Condition(&enough), absl::Milliseconds(kWaitMs));
    return answers;
  }
};

TEST_CASE_METHOD(Fixture, "FetchClient asks once and passes the answers on",
                 "[fuse][fetch_client]") {
  FakeStowaged stowaged(directory.path());
  const auto client = Start(absl::Minutes(1));
  client->Want(7);
  client->Want(7);
  stowaged.Accept();
  CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 7});
  client->Want(8);
  CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 8});
  stowaged.Send(EncodeFetchMessage({Kind::kFailed, 8}));
  stowaged.Send(EncodeFetchMessage({Kind::kFetched, 9}));  // nobody wants it
  stowaged.Send(EncodeFetchMessage({Kind::kFetched, 7}));
  CHECK(Await(2) == Answers{{8, EIO}, {7, 0}});
}

TEST_CASE_METHOD(Fixture, "FetchClient asks the next stowaged for what the last one did not answer",
                 "[fuse][fetch_client]") {
  const auto client = Start(absl::Minutes(1));
  client->Want(7);  // before there is one
  {
    FakeStowaged first(directory.path());
    first.Accept();
    CHECK(first.Read() == FetchMessage{Kind::kFetch, 7});
    SECTION("it ended") { first.HangUp(); }
    SECTION("it made no sense") { first.Send("what?"); }
  }
  FakeStowaged second(directory.path());
  second.Accept();
  CHECK(second.Read() == FetchMessage{Kind::kFetch, 7});
  second.Send(EncodeFetchMessage({Kind::kFetched, 7}));
  CHECK(Await(1) == Answers{{7, 0}});
}

TEST_CASE_METHOD(Fixture, "FetchClient asks for more than the socket takes at a time",
                 "[fuse][fetch_client]") {
  constexpr uint64_t kCount = 1500;
  FakeStowaged stowaged(directory.path());
  const auto client = Start(absl::Minutes(1));
  for (uint64_t object = 1; object <= kCount; ++object) client->Want(object);
  stowaged.Accept();
  std::vector<uint64_t> asked;
  for (uint64_t i = 0; i < kCount; ++i) asked.push_back(stowaged.Read().object_number);
  for (const uint64_t object : asked) stowaged.Send(EncodeFetchMessage({Kind::kFetched, object}));
  CHECK(Await(kCount).size() == kCount);
  std::sort(asked.begin(), asked.end());
  CHECK(std::adjacent_find(asked.begin(), asked.end()) == asked.end());
  // As many that nobody wants any longer are in no one's way.
  for (uint64_t object = 1; object <= kCount; ++object) client->Want(object);
  for (uint64_t object = 1; object <= kCount; ++object) client->Forget(object);
  client->Want(kCount + 1);
  while (stowaged.Read().object_number != kCount + 1) {
  }
}

TEST_CASE_METHOD(Fixture, "FetchClient tells stowaged what nobody wants any longer",
                 "[fuse][fetch_client]") {
  FakeStowaged stowaged(directory.path());
  const auto client = Start(absl::Minutes(1));
  client->Want(7);
  stowaged.Accept();
  CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 7});
  client->Forget(7);
  CHECK(stowaged.Read() == FetchMessage{Kind::kForget, 7});
  stowaged.Send(EncodeFetchMessage({Kind::kFetched, 7}));  // was under way
  client->Want(8);
  CHECK(stowaged.Read() == FetchMessage{Kind::kFetch, 8});
  stowaged.Send(EncodeFetchMessage({Kind::kFetched, 8}));
  CHECK(Await(1) == Answers{{8, 0}});
}

TEST_CASE_METHOD(Fixture, "FetchClient gives up on a stowaged that stays away, and says so once",
                 "[fuse][fetch_client]") {
  const auto client = Start(absl::Milliseconds(300));
  client->Want(7);
  client->Want(8);
  CHECK(Await(2).size() == 2);
  const absl::MutexLock lock(&mutex);
  for (const auto& [object, error] : answers) CHECK(error == EIO);
  REQUIRE(log.size() == 1);
  CHECK(log.front().find("stowaged_away objects=2") == 0);
  CHECK(log.front().find("fetch.sock") != std::string::npos);
}

}  // namespace
}  // namespace stowage
