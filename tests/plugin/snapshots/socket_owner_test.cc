#include "plugin/snapshots/socket_owner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

// A process that does nothing until it is killed.
class IdleProcess {
 public:
  IdleProcess() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~IdleProcess() { End(); }
  void End() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST_CASE("SocketOwner serves the first process and refuses others while it lives",
          "[plugin][socket_owner]") {
  IdleProcess first;
  IdleProcess second;
  REQUIRE(first.pid() > 0);
  REQUIRE(second.pid() > 0);
  SocketOwner owner;
  CHECK(owner.Admit(first.pid()).ok());
  CHECK(owner.Admit(first.pid()).ok());
  const absl::Status refused = owner.Admit(second.pid());
  CHECK(refused.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(absl::StrContains(refused.message(), absl::StrCat("process ", first.pid())));
  CHECK(absl::StrContains(refused.message(), absl::StrCat("process ", second.pid())));

  const pid_t ended = first.pid();
  first.End();
  CHECK(owner.Admit(second.pid()).ok());
  CHECK_FALSE(owner.Admit(::getpid()).ok());
  CHECK_FALSE(owner.Admit(ended).ok());
}

TEST_CASE("SocketOwner is not taken by a process that cannot be seen or has ended",
          "[plugin][socket_owner]") {
  IdleProcess gone;
  const pid_t ended = gone.pid();
  gone.End();
  SocketOwner owner;
  CHECK(owner.Admit(0).ok());
  CHECK(owner.Admit(ended).ok());
  CHECK(owner.Admit(::getpid()).ok());
  CHECK(owner.Admit(0).ok());
}

}  // namespace
}  // namespace stowage
