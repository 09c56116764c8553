#include "fuse/saved_session.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

UniqueFd Duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

TEST_CASE("a saved session is what its next owner finds", "[fuse][saved_session]") {
  auto session = SavedSession::Create(std::string("request\0bytes", 13));
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
}

TEST_CASE("a saved session that is none is refused", "[fuse][saved_session]") {
  CHECK(absl::IsInvalidArgument(SavedSession::Create(std::string(5000, 'x')).status()));
  const auto session = SavedSession::Create("request");
  REQUIRE_OK(session);
  const uint32_t version = 99;
  REQUIRE(::pwrite(session->fd(), &version, sizeof version, 8) == sizeof version);
  CHECK(absl::IsFailedPrecondition(SavedSession::Adopt(Duplicate(session->fd())).status()));
  REQUIRE(::pwrite(session->fd(), "X", 1, 0) == 1);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
  REQUIRE(::ftruncate(session->fd(), 10) == 0);
  CHECK(absl::IsOutOfRange(SavedSession::Adopt(Duplicate(session->fd())).status()));
}

TEST_CASE("a saved session with impossible sizes is refused", "[fuse][saved_session]") {
  const auto session = SavedSession::Create("request");
  REQUIRE_OK(session);
  const uint32_t size = 100'000;
  REQUIRE(::pwrite(session->fd(), &size, sizeof size, 16) == sizeof size);
  CHECK(absl::IsDataLoss(SavedSession::Adopt(Duplicate(session->fd())).status()));
}

}  // namespace
}  // namespace stowage
