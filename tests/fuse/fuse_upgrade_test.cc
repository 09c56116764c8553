// A program takes over from its predecessor while the mount is in use. Needs root and /dev/fuse.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "fuse/saved_session.h"
#include "tests/fuse/living_store.h"
#include "tests/fuse/mount_readers.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FuseServer;
using testing::FuseServerOptions;
using testing::LivingStore;
using testing::MountReaders;
using testing::SleepMs;

// The programs: of this version; of the next, whose sessions this one reads; of the next, whose
// sessions it does not.
constexpr char kThis[] = STOWAGE_FUSE_PROGRAM;
constexpr char kNext[] = STOWAGE_FUSE_NEXT;
constexpr char kNextAndNew[] = STOWAGE_FUSE_NEXT_AND_NEW;

// Where a package puts its program.
class InstalledProgram {
 public:
  InstalledProgram() { Install(kThis); }
  const std::string& path() const { return path_; }

  // As a package manager does it: written by a process that starts no others, since a copy of its
  // descriptor in one of them would make the new program "busy".
  void Install(const std::string& program) {
    SubprocessOptions copy;
    copy.argv = {"/bin/cp", program, path_ + ".new"};
    const auto copied = RunSubprocess(copy);
    REQUIRE_OK(copied);
    REQUIRE(copied->exit_code == 0);
    REQUIRE(::rename((path_ + ".new").c_str(), path_.c_str()) == 0);
  }
  void InstallContent(const std::string& content) {
    const std::string source = path_ + ".source";
    const auto fd = OpenAt(AT_FDCWD, source, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    REQUIRE_OK(fd);
    REQUIRE_OK(WriteAll(fd->get(), content, source));
    Install(source);
  }

  bool IsRunBy(pid_t pid) const {
    struct stat running {};
    struct stat installed {};
    return ::stat(absl::StrCat("/proc/", pid, "/exe").c_str(), &running) == 0 &&
           ::stat(path_.c_str(), &installed) == 0 && running.st_ino == installed.st_ino &&
           running.st_dev == installed.st_dev;
  }

 private:
  testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.Join("stowage-fuse");
};

FuseServerOptions Options(const InstalledProgram& program, bool service_manager) {
  FuseServerOptions options;
  options.program = program.path();
  options.service_manager = service_manager;
  return options;
}

// The version in the session of a running server.
uint32_t SessionVersion(pid_t keeper) {
  const std::string directory = absl::StrCat("/proc/", keeper, "/fd");
  const auto names = ListDirectory(directory);
  REQUIRE_OK(names);
  for (const std::string& name : *names) {
    const auto target = ReadLinkAt(AT_FDCWD, absl::StrCat(directory, "/", name));
    if (!target.ok() || !absl::StrContains(*target, "stowage-fuse-session")) continue;
    const UniqueFd fd(::open(absl::StrCat(directory, "/", name).c_str(), O_RDONLY | O_CLOEXEC));
    uint32_t version = 0;
    REQUIRE(::pread(fd.get(), &version, sizeof version, 8) == sizeof version);
    return version;
  }
  return 0;
}

// Waits until both processes run what is installed.
bool IsReplaced(const FuseServer& server, const InstalledProgram& program) {
  return Eventually(
      [&] { return program.IsRunBy(server.Keeper()) && program.IsRunBy(server.Worker()); });
}

void CheckEnd(LivingStore& living, MountReaders& readers) {
  readers.Stop();
  std::printf("upgrades: %s; %d errors\n", readers.Figures().c_str(),
              static_cast<int>(readers.errors()));
  (void)std::fflush(stdout);
  INFO(living.server->Log());
  CHECK(readers.first_error() == "");
  CHECK(Eventually([&] { return living.server->Processes().size() == 2; }));
  CHECK(living.server->Terminate() == 0);
  CHECK(Eventually([&] { return living.server->Processes().empty(); }));
  CHECK_FALSE(living.server->IsMounted());
}

TEST_CASE("SIGHUP replaces the program under readers, by the next version and back",
          "[integration][fuse]") {
  InstalledProgram program;
  LivingStore living(Options(program, false));
  MountReaders readers(living);
  const pid_t keeper = living.server->Keeper();
  CHECK(SessionVersion(keeper) == 4);
  for (int i = 0; i < 6; ++i) {
    const bool up = i % 2 == 0;
    program.Install(up ? kNext : kThis);
    REQUIRE(::kill(keeper, SIGHUP) == 0);
    INFO(living.server->Log());
    REQUIRE(IsReplaced(*living.server, program));
    CHECK(living.server->Keeper() == keeper);
    CHECK(SessionVersion(keeper) == (up ? 5 : 4));
  }
  CheckEnd(living, readers);
}

TEST_CASE("SIGHUP with a program that cannot go on changes nothing", "[integration][fuse]") {
  InstalledProgram program;
  LivingStore living(Options(program, false));
  MountReaders readers(living);
  const pid_t keeper = living.server->Keeper();
  std::string expected = "its own message says why";
  SECTION("the version before, of a session that it does not know") {
    program.Install(kNextAndNew);
    REQUIRE(::kill(keeper, SIGHUP) == 0);
    REQUIRE(IsReplaced(*living.server, program));
    CHECK(SessionVersion(keeper) == 5);
    program.Install(kThis);
    expected = "Install a program between the two";
  }
  SECTION("a program that fails") { program.InstallContent("#!/bin/false\n"); }
  SECTION("no program") {
    program.InstallContent("no program at all");
    expected = "Exec format error";
  }
  const pid_t worker = living.server->Worker();
  REQUIRE(::kill(keeper, SIGHUP) == 0);
  CHECK(
      Eventually([&] { return absl::StrContains(living.server->Log(), "program_not_replaced"); }));
  CHECK(absl::StrContains(living.server->Log(), expected));
  CHECK(living.server->Keeper() == keeper);
  CHECK(living.server->Worker() == worker);
  CheckEnd(living, readers);
}

TEST_CASE("a restart by the service manager replaces the program under readers, and back",
          "[integration][fuse]") {
  InstalledProgram program;
  LivingStore living(Options(program, true));
  MountReaders readers(living);
  for (const char* next : {kNext, kThis, kThis}) {
    program.Install(next);
    const pid_t keeper = living.server->Keeper();
    REQUIRE(::kill(living.server->started(), SIGUSR1) == 0);
    REQUIRE(Eventually([&] { return living.server->Keeper() != keeper; }));
    INFO(living.server->Log());
    REQUIRE(IsReplaced(*living.server, program));
    CHECK(SessionVersion(living.server->Keeper()) == (next == kNext ? 5 : 4));
  }
  CheckEnd(living, readers);
}

TEST_CASE("a restart with a program that cannot go on leaves the running one in place",
          "[integration][fuse]") {
  InstalledProgram program;
  LivingStore living(Options(program, true));
  MountReaders readers(living);
  const auto restart = [&] {
    const pid_t keeper = living.server->Keeper();
    REQUIRE(::kill(living.server->started(), SIGUSR1) == 0);
    REQUIRE(Eventually([&] { return living.server->Keeper() != keeper; }));
  };
  program.Install(kNextAndNew);
  restart();
  REQUIRE(IsReplaced(*living.server, program));
  const pid_t worker = living.server->Worker();
  program.Install(kThis);
  restart();  // again and again, in vain
  CHECK(Eventually([&] { return absl::StrContains(living.server->Log(), "keeper_started"); }));
  CHECK(Eventually([&] {
    return absl::StrContains(living.server->Log(), "Install a program between the two");
  }));
  CHECK(living.server->Worker() == worker);
  program.Install(kNextAndNew);
  REQUIRE(IsReplaced(*living.server, program));
  CHECK(Eventually([&] { return living.server->Worker() != worker; }));
  CheckEnd(living, readers);
}

}  // namespace
}  // namespace stowage
