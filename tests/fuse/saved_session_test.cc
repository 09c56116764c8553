#include "fuse/saved_session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "fuse/session_role.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

UniqueFd Duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

absl::StatusOr<SavedSession> Create(const std::string& request,
                                    const ConnectionSettings& settings = {}) {
  return SavedSession::Create("/run/stowage/fs", "0:53", request, settings);
}

void Poke(const SavedSession& session, uint32_t value, off_t place) {
  REQUIRE(::pwrite(session.fd(), &value, sizeof value, place) == sizeof value);
}

TEST_CASE("a saved session is what its next owner finds", "[fuse][saved_session]") {
  auto session = Create(std::string("request\0bytes", 13));
  REQUIRE_OK(session);
  auto first = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(first);
  CHECK(first->init_request() == std::string("request\0bytes", 13));
  CHECK(first->init_reply().empty());
  REQUIRE_OK(first->SaveInitReply("reply"));
  const auto second = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(second);
  CHECK(second->init_request() == std::string("request\0bytes", 13));
  CHECK(second->init_reply() == "reply");
  CHECK(second->mount_point() == "/run/stowage/fs");
  CHECK(second->device() == "0:53");
}

TEST_CASE("a keeper that stamps the session keeps what its worker saved meanwhile",
          "[fuse][saved_session]") {
  auto keeper = Create("request");
  REQUIRE_OK(keeper);
  auto worker = SavedSession::Adopt(Duplicate(keeper->fd()));
  REQUIRE_OK(worker);
  REQUIRE_OK(worker->SaveInitReply("reply"));
  CHECK(absl::IsInvalidArgument(worker->SaveInitReply(std::string(1024, 'x'))));
  REQUIRE_OK(keeper->Stamp());
  const auto later = SavedSession::Adopt(Duplicate(keeper->fd()));
  REQUIRE_OK(later);
  CHECK(later->init_reply() == "reply");
}

TEST_CASE("a saved session that is none is refused", "[fuse][saved_session]") {
  CHECK(absl::IsInvalidArgument(Create(std::string(5000, 'x')).status()));
  CHECK(absl::IsInvalidArgument(
      SavedSession::Create(std::string(4096, 'x'), "0:53", "request", {}).status()));
  const auto session = Create("request");
  REQUIRE_OK(session);
  REQUIRE(::ftruncate(session->fd(), kSessionBytes - 1) == 0);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
  REQUIRE(::pwrite(session->fd(), "X", 1, 0) == 1);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
  REQUIRE(::ftruncate(session->fd(), 10) == 0);
  CHECK(absl::IsOutOfRange(SavedSession::Adopt(Duplicate(session->fd())).status()));
}

TEST_CASE("a saved session is read by the versions that it names", "[fuse][saved_session]") {
  const auto [version, oldest_reader, readable] = GENERATE(table<uint32_t, uint32_t, bool>({
      {4, 2, true},   // this version
      {3, 2, true},   // the one before
      {5, 2, true},   // the next, which kept to what we know
      {5, 5, false},  // the next, which did not
      {1, 1, false},  // older than we read
  }));
  const auto session = Create("request");
  REQUIRE_OK(session);
  Poke(*session, version, 8);
  Poke(*session, oldest_reader, 12);
  auto adopted = SavedSession::Adopt(Duplicate(session->fd()));
  if (!readable) {
    CHECK(absl::IsFailedPrecondition(adopted.status()));
    CHECK(absl::StrContains(adopted.status().message(), "Install a program between the two"));
    return;
  }
  REQUIRE_OK(adopted);
  CHECK(adopted->version() == version);
  REQUIRE_OK(adopted->Stamp());
  const auto stamped = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(stamped);
  CHECK(stamped->version() == 4);
}

TEST_CASE("a saved session with impossible sizes is refused", "[fuse][saved_session]") {
  const auto session = Create("request");
  REQUIRE_OK(session);
  Poke(*session, 100'000, 16);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
}

TEST_CASE("a session keeps its data mode, which the version before cannot serve",
          "[fuse][saved_session]") {
  const auto oldest_reader = [](const SavedSession& session) {
    uint32_t version = 0;
    REQUIRE(::pread(session.fd(), &version, sizeof version, 12) == sizeof version);
    return version;
  };
  const auto cached = Create("request");
  REQUIRE_OK(cached);
  CHECK(oldest_reader(*cached) == 2);
  const auto session = Create("request", {DataMode::kPassthrough});
  REQUIRE_OK(session);
  CHECK(oldest_reader(*session) == 3);
  auto adopted = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(adopted);
  CHECK(adopted->data_mode() == DataMode::kPassthrough);
  REQUIRE_OK(adopted->Stamp());
  CHECK(oldest_reader(*session) == 3);
  // Its table of backing files is there as well.
  REQUIRE(::ftruncate(session->fd(), kSessionBytes) == 0);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
}

TEST_CASE("a session keeps whether there are extended attributes; there are where it does not say",
          "[fuse][saved_session]") {
  const auto before = Create("request");
  REQUIRE_OK(before);
  CHECK(before->extended_attributes());
  const auto session = Create("request", {DataMode::kCached, /*extended_attributes=*/false});
  REQUIRE_OK(session);
  auto adopted = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(adopted);
  CHECK_FALSE(adopted->extended_attributes());
  REQUIRE_OK(adopted->Stamp());
  const auto stamped = SavedSession::Adopt(Duplicate(session->fd()));
  REQUIRE_OK(stamped);
  CHECK_FALSE(stamped->extended_attributes());
  CHECK(stamped->data_mode() == DataMode::kCached);
}

TEST_CASE("a role of a session is free for its own process only", "[fuse][saved_session]") {
  const auto session = Create("request");
  REQUIRE_OK(session);
  const auto nobody = FindRole(session->fd(), SessionRole::kWorker);
  REQUIRE_OK(nobody);
  CHECK_FALSE(nobody->has_value());
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto taken = TakeRole(session->fd(), SessionRole::kWorker);
    if (taken.ok() && *taken) (void)::pause();
    ::_exit(0);
  }
  auto holder = FindRole(session->fd(), SessionRole::kWorker);
  for (int i = 0; i < 1000 && holder.ok() && !holder->has_value(); ++i) {
    absl::SleepFor(absl::Milliseconds(1));
    holder = FindRole(session->fd(), SessionRole::kWorker);
  }
  REQUIRE_OK(holder);
  REQUIRE(holder->has_value());
  CHECK((*holder)->pid == child);
  const auto worker = TakeRole(session->fd(), SessionRole::kWorker);
  const auto keeper = TakeRole(session->fd(), SessionRole::kKeeper);
  REQUIRE_OK(worker);
  REQUIRE_OK(keeper);
  CHECK_FALSE(*worker);
  CHECK(*keeper);
  CHECK(absl::IsDeadlineExceeded(
      AwaitRole(session->fd(), SessionRole::kWorker, absl::Milliseconds(20))));
  SignalPidfd((*holder)->pidfd.get(), SIGKILL);
  CHECK(AwaitEnd(**holder, absl::Seconds(5)));
  CHECK(AwaitRole(session->fd(), SessionRole::kWorker, absl::Seconds(5)).ok());
  (void)::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace stowage
