#include "tests/fuse/fuse_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "fuse/index_directory.h"
#include "fuse/mount_table.h"
#include "fuse/passthrough.h"
#include "fuse/passthrough_probe.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

// Before any test: where FUSE cannot be used nothing of this program can be tested.
[[maybe_unused]] const bool kUsable = [] {
  const bool usable = ::geteuid() == 0 && ::access("/dev/fuse", R_OK | W_OK) == 0;
  if (!usable) std::_Exit(77);
  if (!TestsPassthrough()) return true;
  // Not on the file system of the tests' stores, or not by this kernel.
  const auto store = OpenAt(AT_FDCWD, "/usr/bin", O_PATH | O_DIRECTORY);
  const absl::Status works = store.ok() ? ProbePassthrough(store->get()) : store.status();
  if (works.ok()) return true;
  std::printf("left out: %s\n", std::string(works.message()).c_str());
  std::exit(77);
}();

// The arguments of a process, if it is a stowage-fuse.
std::vector<std::string> FuseArguments(pid_t pid) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
  if (!text.ok()) return {};
  std::vector<std::string> arguments = absl::StrSplit(*text, '\0');
  const bool is_ours = arguments.size() > 1 && arguments[1] != "check" &&
                       absl::EndsWith(arguments[0], "stowage-fuse");
  return is_ours ? arguments : std::vector<std::string>();
}

// What starts the server as a process of its own.
std::vector<std::string> StartCommand(const FuseServerOptions& options,
                                      const std::vector<std::string>& arguments,
                                      const std::string& mount_point) {
  std::vector<std::string> command = {"/usr/bin/env"};
  command.insert(command.end(), options.environment.begin(), options.environment.end());
  if (options.service_manager) {
    for (const std::string& word :
         {std::string(STOWAGE_SERVICE_MANAGER), std::string("--socket"), mount_point + ".notify",
          std::string("--log"), mount_point + ".log", std::string("--")})
      command.push_back(word);
  }
  command.push_back(options.program.empty() ? STOWAGE_FUSE_PROGRAM : options.program);
  command.insert(command.end(), arguments.begin(), arguments.end());
  if (!options.data_mode.empty()) command.push_back("--data=" + options.data_mode);
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());
  return command;
}

}  // namespace

std::string TestedDataMode() {
  const char* mode = std::getenv("STOWAGE_FUSE_DATA");
  return mode == nullptr ? "cached" : mode;
}

void SleepMs(int milliseconds) {
  const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  (void)::nanosleep(&time, nullptr);
}

FuseServer::FuseServer(const std::string& state, const std::string& store,
                       const std::string& mount_point, const FuseServerOptions& options)
    : mount_point_(mount_point) {
  std::array<int, 2> output;
  REQUIRE(::pipe2(output.data(), O_CLOEXEC) == 0);
  const UniqueFd reader(output[0]);
  UniqueFd writer(output[1]);
  const auto log = OpenAt(AT_FDCWD, mount_point + ".log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  REQUIRE_OK(log);
  std::vector<std::string> command =
      StartCommand(options, {"--state=" + state, "--store=" + store, "--mountpoint=" + mount_point},
                   mount_point);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  started_ = ::fork();
  REQUIRE(started_ >= 0);
  if (started_ == 0) {
    ::dup2(writer.get(), STDOUT_FILENO);
    ::dup2(log->get(), STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  writer.Reset();
  pollfd waiting = {reader.get(), POLLIN, 0};
  std::array<char, 4096> line{};
  const bool said =
      ::poll(&waiting, 1, 30'000) == 1 && ::read(reader.get(), line.data(), line.size() - 1) > 0;
  INFO(Log());
  REQUIRE(said);
  CHECK(std::string(line.data()) == absl::StrCat("mounted at ", mount_point, "\n"));
}

FuseServer::~FuseServer() {
  // The service manager first. Then again until none is left: the two start each other.
  if (!reaped_) {
    (void)::kill(started_, SIGKILL);
    (void)::waitpid(started_, nullptr, 0);
  }
  for (int i = 0; i < 100 && !Processes().empty(); ++i) {
    for (const pid_t pid : Processes()) (void)::kill(pid, SIGSTOP);
    for (const pid_t pid : Processes()) (void)::kill(pid, SIGKILL);
    SleepMs(10);
  }
  while (IsMounted() && ::umount2(mount_point_.c_str(), MNT_DETACH) == 0) {
  }
  // Or a worker that a sanitizer ended would just be started again.
  const auto log = ReadFile(mount_point_ + ".log");
  CHECK((log.ok() && !absl::StrContains(*log, "Sanitizer") &&
         !absl::StrContains(*log, "runtime error")));
}

pid_t FuseServer::Find(bool worker) const {
  pid_t found = 0;
  (void)Eventually([&] {
    for (const pid_t pid : Processes()) {
      const std::vector<std::string> arguments = FuseArguments(pid);
      if (arguments.size() > 1 && (arguments[1] == "worker") == worker) found = pid;
    }
    return found != 0;
  });
  return found;
}

pid_t FuseServer::Keeper() const { return Find(/*worker=*/false); }
pid_t FuseServer::Worker() const { return Find(/*worker=*/true); }

int FuseServer::WaitForStarted() {
  int status = 0;
  if (!Eventually([&] { return ::waitpid(started_, &status, WNOHANG) == started_; })) return -1;
  reaped_ = true;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int FuseServer::Terminate() {
  REQUIRE(::kill(started_, SIGTERM) == 0);
  return WaitForStarted();
}

bool FuseServer::IsMounted() const {
  const auto mounts = MountsAt(mount_point_);
  return mounts.ok() && !mounts->empty();
}

std::vector<pid_t> FuseServer::Processes() const {
  std::vector<pid_t> found;
  const auto names = ListDirectory("/proc");
  REQUIRE_OK(names);
  for (const std::string& name : *names) {
    const auto pid = static_cast<pid_t>(ParseFileNumber(name, 1u << 30));
    if (pid == 0) continue;
    for (const std::string& argument : FuseArguments(pid))
      if (argument == absl::StrCat("--mountpoint=", mount_point_)) found.push_back(pid);
  }
  return found;
}

std::string FuseServer::Log() const {
  const auto log = ReadFile(mount_point_ + ".log");
  REQUIRE_OK(log);
  return *log;
}

UniqueFd OpenSession(pid_t keeper) {
  const auto names = ListDirectory(absl::StrCat("/proc/", keeper, "/fd"));
  REQUIRE_OK(names);
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat("/proc/", keeper, "/fd/", name);
    const auto target = ReadLinkAt(AT_FDCWD, path);
    if (target.ok() && absl::StrContains(*target, "stowage-fuse-session"))
      return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  FAIL("the keeper has no saved session");
  return UniqueFd();
}

std::vector<BackingRecord> RecordsOf(const BackingTable& table) {
  std::vector<BackingRecord> records;
  for (uint32_t place = 0; place < table.used(); ++place)
    if (const BackingRecord record = table.Read(place); record.nodeid != 0)
      records.push_back(record);
  return records;
}

int RegisteredIds(pid_t keeper, int32_t last) {
  const auto names = ListDirectory(absl::StrCat("/proc/", keeper, "/fd"));
  REQUIRE_OK(names);
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, keeper, 0)));
  UniqueFd device;
  for (const std::string& name : *names) {
    const auto target = ReadLinkAt(AT_FDCWD, absl::StrCat("/proc/", keeper, "/fd/", name));
    int number = -1;
    if (target.ok() && *target == "/dev/fuse" && absl::SimpleAtoi(name, &number))
      device.Reset(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  }
  REQUIRE(device);
  int registered = 0;
  for (int32_t id = 1; id <= last + 50; ++id)
    registered += UnregisterBackingFile(device.get(), id) == 0 ? 1 : 0;
  return registered;
}

int OpenDescriptors(pid_t pid) {
  const auto names = ListDirectory(absl::StrCat("/proc/", pid, "/fd"));
  REQUIRE_OK(names);
  return static_cast<int>(names->size());
}

std::string DeviceAt(const std::string& mount_point) {
  const auto mounts = MountsAt(mount_point);
  REQUIRE_OK(mounts);
  return mounts->empty() ? "" : mounts->back().device;
}

int RunFuseProgram(const std::vector<std::string>& arguments, std::string* standard_error) {
  SubprocessOptions options;
  options.argv = {STOWAGE_FUSE_PROGRAM};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.deadline = absl::Now() + absl::Seconds(30);
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  *standard_error = result->standard_error;
  return result->exit_code;
}

}  // namespace stowage::testing
