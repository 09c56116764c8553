#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "fuse/backing_table.h"

namespace stowage::testing {

// $STOWAGE_FUSE_DATA, the data mode that this run of the tests is about; "cached" without it.
std::string TestedDataMode();
inline bool TestsPassthrough() { return TestedDataMode() == "passthrough"; }

struct FuseServerOptions {
  std::string program;                       // "": the one that was built
  std::string data_mode = TestedDataMode();  // "": no option
  std::vector<std::string> arguments;        // more of them
  std::vector<std::string> environment;      // more variables, "NAME=value"
  // Runs it under tests/support/service_manager.py, a stand-in for systemd.
  bool service_manager = false;
};

// A stowage-fuse of a test's own. Whatever is left of it at the end is killed and unmounted.
class FuseServer {
 public:
  // Starts it and waits until it says that it is mounted. Fails the test otherwise.
  FuseServer(const std::string& state, const std::string& store, const std::string& mount_point,
             const FuseServerOptions& options = {});
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // The process that was started: the first keeper, or the service manager.
  pid_t started() const { return started_; }
  // The present ones; wait up to 10 s for one. 0: there is none.
  pid_t Keeper() const;
  pid_t Worker() const;

  // Exit code of started(), 128 + signal; waits up to 10 s. -1: still there.
  int WaitForStarted();
  // SIGTERM and WaitForStarted.
  int Terminate();

  const std::string& mount_point() const { return mount_point_; }
  bool IsMounted() const;
  // Processes that hold the session of this mount.
  std::vector<pid_t> Processes() const;
  // What the processes, and the service manager, have said so far.
  std::string Log() const;

 private:
  pid_t Find(bool worker) const;

  std::string mount_point_;
  pid_t started_ = -1;
  bool reaped_ = false;
};

// Runs stowage-fuse to its end and gives its exit code and standard error.
int RunFuseProgram(const std::vector<std::string>& arguments, std::string* standard_error);

// The saved session of a keeper, opened once more: another open file, so that closing it here gives
// up no role of the keeper.
UniqueFd OpenSession(pid_t keeper);

// Places of a table of backing files that are somebody's.
std::vector<BackingRecord> RecordsOf(const BackingTable& table);
// How many backing ids up to some behind `last` the connection has; takes them away.
int RegisteredIds(pid_t keeper, int32_t last);

// Descriptors that a process has open.
int OpenDescriptors(pid_t pid);

// "0:53" of the FUSE mount there; "" without one.
std::string DeviceAt(const std::string& mount_point);

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
