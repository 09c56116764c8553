#include "base/own_user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

// With all users mapped to themselves, where this process may do so. Returns what a child in it
// says, 2 where none can be made.
int AskInNewNamespace() {
  int made[2], mapped[2];
  REQUIRE(::pipe2(made, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(mapped, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  char byte = 0;
  if (child == 0) {
    const bool entered = ::unshare(CLONE_NEWUSER) == 0;
    const bool told = ::write(made[1], &byte, 1) == 1 && ::read(mapped[0], &byte, 1) == 1;
    ::_exit(!entered || !told ? 2 : InUserNamespace() ? 1 : 0);
  }
  CHECK(::read(made[0], &byte, 1) == 1);
  const int map = ::open(absl::StrCat("/proc/", child, "/uid_map").c_str(), O_WRONLY | O_CLOEXEC);
  constexpr char kEveryUser[] = "0 0 4294967295\n";
  (void)!::write(map, kEveryUser, sizeof kEveryUser - 1);  // only root may
  (void)::close(map);
  CHECK(::write(mapped[1], &byte, 1) == 1);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  for (const int fd : {made[0], made[1], mapped[0], mapped[1]}) (void)::close(fd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("InUserNamespace is true of every namespace but the initial one, whatever its map",
          "[base][own_user_namespace]") {
  CHECK(InUserNamespace() ==
        (std::filesystem::read_symlink("/proc/self/ns/user") != "user:[4026531837]"));
  const int answer = AskInNewNamespace();
  if (answer == 2)
    WARN("no user namespace can be made here");
  else
    CHECK(answer == 1);
}

}  // namespace
}  // namespace stowage
