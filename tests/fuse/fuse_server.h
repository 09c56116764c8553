#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace stowage::testing {

// A stowage-fuse of a test's own. Whatever is left of it at the end is killed and unmounted.
class FuseServer {
 public:
  // Starts it and waits until it says that it is mounted. Fails the test otherwise.
  // environment: more variables, "NAME=value".
  FuseServer(const std::string& state, const std::string& store, const std::string& mount_point,
             const std::vector<std::string>& environment = {});
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  pid_t keeper() const { return keeper_; }
  // The keeper's child; waits up to 10 s for one. 0: there is none.
  pid_t Worker() const { return ChildOf(keeper_); }

  // Exit code of the keeper, 128 + signal; waits up to 10 s. -1: still there.
  int WaitForKeeper();
  // SIGTERM and WaitForKeeper.
  int Terminate();

  const std::string& mount_point() const { return mount_point_; }
  bool IsMounted() const;
  // Processes that hold the session of this mount.
  std::vector<pid_t> Processes() const;

  static pid_t ChildOf(pid_t parent);

 private:
  std::string mount_point_;
  pid_t keeper_ = -1;
  bool reaped_ = false;
};

// Runs stowage-fuse to its end and gives its exit code and standard error.
int RunFuseProgram(const std::vector<std::string>& arguments, std::string* standard_error);

void SleepMs(int milliseconds);

// Calls `done` every 10 ms until it is true; false after 10 s.
template <typename Condition>
bool Eventually(Condition done) {
  for (int i = 0; i < 1000; ++i) {
    if (done()) return true;
    SleepMs(10);
  }
  return false;
}

}  // namespace stowage::testing
