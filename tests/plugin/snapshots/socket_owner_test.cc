#include "plugin/snapshots/socket_owner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

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
  const testing::TemporaryDirectory directory;
  SocketOwner owner({directory.Join("owner")});
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
  const testing::TemporaryDirectory directory;
  SocketOwner owner({directory.Join("owner")});
  CHECK(owner.Admit(0).ok());
  CHECK(owner.Admit(ended).ok());
  CHECK(owner.Admit(::getpid()).ok());
  CHECK(owner.Admit(0).ok());
}

TEST_CASE("SocketOwner keeps the socket for a service that restarts, also over its own restart",
          "[plugin][socket_owner]") {
  IdleProcess old_one;
  IdleProcess new_one;
  IdleProcess other;
  const testing::TemporaryDirectory directory;
  SocketOwnerOptions options;
  options.record_path = directory.Join("owner");
  options.patience = absl::Milliseconds(300);
  options.service_of = [&, stranger = other.pid()](pid_t process) {
    return process == stranger ? "0::/system.slice/other.service\n"
                               : "0::/system.slice/our.service\n";
  };
  std::optional<SocketOwner> owner;
  owner.emplace(options);
  REQUIRE(owner->Admit(old_one.pid()).ok());
  old_one.End();
  SECTION("and comes back") {
    if (GENERATE(false, true)) owner.emplace(options);
    const absl::Status refused = owner->Admit(other.pid());
    CHECK(absl::IsFailedPrecondition(refused));
    CHECK(absl::StrContains(refused.message(), "try again in 1s"));
    CHECK(owner->Admit(new_one.pid()).ok());
    CHECK_FALSE(owner->Admit(other.pid()).ok());
  }
  SECTION("but not for ever") {
    CHECK_FALSE(owner->Admit(other.pid()).ok());
    absl::SleepFor(options.patience);
    CHECK(owner->Admit(other.pid()).ok());
    CHECK_FALSE(owner->Admit(new_one.pid()).ok());
  }
}

TEST_CASE("ServiceOf reads control groups", "[plugin][socket_owner]") {
  CHECK_FALSE(ServiceOf(::getpid()).empty());
  CHECK(ServiceOf(0).empty());
}

}  // namespace
}  // namespace stowage
