// SIGKILL to keeper and worker, again and again, under readers. Needs root and /dev/fuse.
// $STOWAGE_KILLS: how often in each case (100); the long run takes more.

#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"
#include "fuse/backing_table.h"
#include "fuse/request_slots.h"
#include "fuse/saved_session.h"
#include "fuse/session_role.h"
#include "tests/fuse/living_store.h"
#include "tests/fuse/mount_readers.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::Eventually;
using testing::FuseServer;
using testing::FuseServerOptions;
using testing::LivingStore;
using testing::MountReaders;
using testing::OpenDescriptors;
using testing::OpenSession;
using testing::SleepMs;
using testing::TestsPassthrough;

int Kills() {
  const char* text = std::getenv("STOWAGE_KILLS");
  int kills = 100;
  if (text != nullptr) REQUIRE(absl::SimpleAtoi(text, &kills));
  return kills;
}

// Requests that workers found in the slots.
int Replayed(const FuseServer& server) {
  int replayed = 0;
  const std::string log = server.Log();
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    const size_t at = line.find("requests_replayed count=");
    int count = 0;
    if (at != absl::string_view::npos &&
        absl::SimpleAtoi(line.substr(at + sizeof "requests_replayed count=" - 1), &count))
      replayed += count;
  }
  return replayed;
}

// That every file is registered once at most, and no backing id is left when its object goes.
void CheckBackingIds(const LivingStore& living) {
  const auto saved = SavedSession::Adopt(OpenSession(living.server->Keeper()));
  REQUIRE_OK(saved);
  const auto table = BackingTable::Map(*saved);
  REQUIRE_OK(table);
  int registered = 0;
  int opens = 0;
  for (const BackingRecord& record : testing::RecordsOf(*table)) {
    ++registered;
    opens += static_cast<int>(record.opens);
  }
  CHECK(registered <= LivingStore::kFiles + 1);
  std::printf("  %d files registered, %d opens counted, last backing id %d\n", registered, opens,
              table->last_backing_id());
  REQUIRE(::unlink(living.store.ObjectPath(1).c_str()) == 0);
  CHECK(Eventually([&] { return testing::RecordsOf(*table).empty(); }));
  CHECK(testing::RegisteredIds(living.server->Keeper(), table->last_backing_id()) == 0);
}

// Kills, and checks that nobody noticed and nothing is left over. kill_once: returns once the
// killed have successors. Returns how many requests were replayed.
int KillUnderReaders(LivingStore& living, const std::string& what, int kills,
                     const std::function<void(const FuseServer&)>& kill_once) {
  const FuseServer& server = *living.server;
  kill_once(server);  // the first has what it inherited from the test
  SleepMs(200);       // until nothing is under way
  const int keeper_descriptors = OpenDescriptors(server.Keeper());
  const int worker_descriptors = OpenDescriptors(server.Worker());
  std::minstd_rand random(std::random_device{}());
  MountReaders readers(living);
  for (int i = 1; i < kills; ++i) {
    SleepMs(static_cast<int>(random() % 60));
    kill_once(server);
  }
  const int64_t operations = readers.operations();
  CHECK(Eventually([&] { return readers.operations() > operations + 100; }));
  readers.Stop();
  const int replayed = Replayed(server);
  std::printf("%s: %d kills; %s; %d requests replayed; %d errors\n", what.c_str(), kills,
              readers.Figures().c_str(), replayed, static_cast<int>(readers.errors()));
  (void)std::fflush(stdout);
  INFO(server.Log());
  CHECK(readers.first_error() == "");
  CHECK(Eventually([&] { return server.Processes().size() == 2; }));
  CHECK(Eventually([&] { return OpenDescriptors(server.Keeper()) == keeper_descriptors; }));
  // Beside the store files that it keeps open.
  CHECK(OpenDescriptors(server.Worker()) <= worker_descriptors + LivingStore::kFiles + 30);
  if (TestsPassthrough()) CheckBackingIds(living);
  CHECK(::kill(server.Keeper(), SIGTERM) == 0);
  CHECK(living.server->WaitForStarted() >= 0);
  CHECK(Eventually([&] { return server.Processes().empty(); }));
  CHECK_FALSE(server.IsMounted());
  return replayed;
}

void Kill(pid_t pid) {
  REQUIRE(pid > 0);
  REQUIRE(::kill(pid, SIGKILL) == 0);
}

// Whether there is a process, and another one than before.
bool IsNext(pid_t process, pid_t before) { return process > 0 && process != before; }

void KillWorker(const FuseServer& server) {
  const pid_t worker = server.Worker();
  Kill(worker);
  REQUIRE(Eventually([&] { return IsNext(server.Worker(), worker); }));
}

void KillKeeper(const FuseServer& server) {
  const pid_t keeper = server.Keeper();
  Kill(keeper);
  REQUIRE(Eventually([&] { return IsNext(server.Keeper(), keeper); }));
}

void KillBoth(const FuseServer& server) {
  const pid_t keeper = server.Keeper();
  const pid_t worker = server.Worker();
  Kill(keeper);
  Kill(worker);
  REQUIRE(Eventually(
      [&] { return IsNext(server.Keeper(), keeper) && IsNext(server.Worker(), worker); }));
}

FuseServerOptions Options(bool resend, bool service_manager) {
  FuseServerOptions options;
  options.service_manager = service_manager;
  options.arguments = {"--log-level=debug"};
  if (!resend) options.arguments.emplace_back("--no-resend");
  return options;
}

TEST_CASE("SIGKILLs of the worker cost readers no error", "[integration][fuse]") {
  int replayed = 0;
  for (const bool resend : {true, false}) {
    LivingStore living(Options(resend, false));
    replayed += KillUnderReaders(living, absl::StrCat("worker, RESEND ", resend ? "on" : "off"),
                                 Kills(), KillWorker);
  }
  CHECK(replayed > 0);
}

TEST_CASE("SIGKILLs of the keeper cost readers no error", "[integration][fuse]") {
  LivingStore living(Options(false, false));
  KillUnderReaders(living, "keeper", Kills(), KillKeeper);
}

TEST_CASE("SIGKILLs of keeper and worker in turn cost readers no error", "[integration][fuse]") {
  LivingStore living(Options(false, false));
  int turn = 0;
  KillUnderReaders(living, "keeper and worker in turn", Kills() / 2, [&](const FuseServer& server) {
    ++turn % 2 == 0 ? KillKeeper(server) : KillWorker(server);
  });
}

TEST_CASE("with a service manager, SIGKILLs of keeper and worker together cost readers no error",
          "[integration][fuse]") {
  const bool resend = GENERATE(true, false);
  LivingStore living(Options(resend, true));
  KillUnderReaders(living,
                   absl::StrCat("keeper and worker together, RESEND ", resend ? "on" : "off"),
                   (Kills() + 3) / 4, KillBoth);
}

TEST_CASE("with a service manager, SIGKILLs of the keeper cost readers no error",
          "[integration][fuse]") {
  LivingStore living(Options(false, true));
  KillUnderReaders(living, "keeper, service manager", (Kills() + 3) / 4, KillKeeper);
}

// Whether every thread of a process is stopped (proc_pid_stat(5)).
bool IsStopped(pid_t pid) {
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  const auto threads = ListDirectory(tasks);
  REQUIRE_OK(threads);
  for (const std::string& thread : *threads) {
    const auto stat = ReadFile(absl::StrCat(tasks, "/", thread, "/stat"));
    if (!stat.ok() || !absl::StrContains(*stat, ") T ")) return false;
  }
  return true;
}

// Unstacked, whatever the upper one's data mode.
FuseServerOptions LowerOptions() {
  FuseServerOptions options = Options(false, false);
  options.data_mode = "cached";
  return options;
}

// A server whose store hangs for as long as another server is stopped.
class HangingStore {
 public:
  explicit HangingStore(bool resend = false)
      : lower(LowerOptions()), mount_point(upper.root() + "/mnt") {
    upper.File("bbb-file/here", "found at once");
    // Indexed below the real store; served from below the lower mount.
    REQUIRE_OK(WriteObjectIndex(lower.store.store_fd(), "aaa-many", 1, upper.ObjectPath(1)));
    upper.View(1, {{"aaa-many", 1}});
    server =
        std::make_unique<FuseServer>(upper.state(), absl::StrCat(lower.mount_point, "/1/nix/store"),
                                     mount_point, Options(resend, false));
    REQUIRE(::kill(lower.server->Keeper(), SIGSTOP) == 0);
    REQUIRE(::kill(lower.server->Worker(), SIGSTOP) == 0);
    // A request that a thread reads before it stops would keep its reader from being killed.
    REQUIRE(Eventually([&] { return IsStopped(lower.server->Worker()); }));
  }
  void Continue() {
    (void)::kill(lower.server->Keeper(), SIGCONT);
    (void)::kill(lower.server->Worker(), SIGCONT);
  }
  ~HangingStore() { Continue(); }

  LivingStore lower;
  testing::StoreTree upper;
  const std::string mount_point;
  std::unique_ptr<FuseServer> server;
};

// A thread that reads one file of a hanging store to its end.
class HangingReader {
 public:
  explicit HangingReader(HangingStore& hanging)
      : hanging_(hanging),
        path_(absl::StrCat(hanging.mount_point, "/1/nix/store/aaa-many/file-7")),
        thread_([this] {
          const auto read = ReadFile(path_);
          content_ = read.ok() ? *read : std::string(read.status().message());
          done_ = true;
        }) {}

  // A test that fails must not wait for what hangs.
  ~HangingReader() { hanging_.Continue(); }

  bool done() const { return done_; }
  std::string Content() {
    thread_.join();
    return content_;
  }

 private:
  HangingStore& hanging_;
  const std::string path_;
  std::string content_;  // the thread's, until it has ended
  std::atomic<bool> done_ = false;
  std::jthread thread_;
};

TEST_CASE("a request that a killed worker was serving is served by the next, without RESEND",
          "[integration][fuse]") {
  HangingStore hanging;
  HangingReader reader(hanging);
  SleepMs(200);  // until the worker hangs in it
  for (int i = 0; i < 3; ++i) {
    KillWorker(*hanging.server);
    SleepMs(100);
  }
  CHECK_FALSE(reader.done());
  // The others are served meanwhile.
  const std::string other = absl::StrCat(hanging.mount_point, "/1/nix/store/aaa-many/file-8");
  CHECK(::access(other.c_str(), F_OK) == 0);
  hanging.Continue();
  CHECK(reader.Content() == LivingStore::Content(7));
}

// Whether the kernel has FUSE_NOTIFY_RESEND: Linux 6.9.
bool KernelResends() {
  utsname system{};
  int major = 0;
  int minor = 0;
  REQUIRE(::uname(&system) == 0);
  REQUIRE(std::sscanf(system.release, "%d.%d", &major, &minor) == 2);
  return major > 6 || (major == 6 && minor >= 9);
}

TEST_CASE("a request that is in no slot comes back by RESEND, and not without it",
          "[integration][fuse]") {
  if (!KernelResends()) return;
  const bool resend = GENERATE(true, false);
  HangingStore hanging(resend);
  HangingReader reader(hanging);
  SleepMs(200);  // until the worker hangs in it
  auto saved = SavedSession::Adopt(OpenSession(hanging.server->Keeper()));
  REQUIRE_OK(saved);
  const auto slots = RequestSlots::Map(*saved);
  REQUIRE_OK(slots);
  int emptied = 0;
  for (size_t i = 0; i < kSessionSlots; ++i) {
    if (slots->At(i).request_bytes() == 0) continue;
    slots->At(i).Clear();
    ++emptied;
  }
  CHECK(emptied > 0);
  KillWorker(*hanging.server);
  hanging.Continue();
  CHECK(Eventually([&] { return reader.done(); }) == resend);
  CHECK(Replayed(*hanging.server) == 0);
  if (!resend) REQUIRE(::kill(hanging.server->Keeper(), SIGTERM) == 0);  // frees the reader
  const std::string content = reader.Content();
  if (resend) CHECK(content == LivingStore::Content(7));
}

TEST_CASE("a request that ends every worker is given up, and its neighbours are served",
          "[integration][fuse]") {
  HangingStore hanging;
  HangingReader reader(hanging);
  SleepMs(200);
  // The kernel asks twice: for what it would read ahead, then for the page itself.
  int kills = 0;
  for (; kills < 40 && !reader.done(); ++kills) {
    KillWorker(*hanging.server);
    SleepMs(100);
  }
  CHECK(kills >= 8);
  if (!reader.done()) hanging.Continue();
  CHECK(absl::StrContains(reader.Content(), "Input/output error"));
  CHECK(absl::StrContains(hanging.server->Log(), "request_given_up"));
  CHECK(Eventually([&] { return hanging.server->Processes().size() == 2; }));
}

TEST_CASE("a worker that another keeper started is found, and the mount is not given up",
          "[integration][fuse]") {
  FuseServerOptions options = Options(false, false);
  options.arguments.emplace_back("--give-up-after=2");
  LivingStore living(options);
  const pid_t keeper = living.server->Keeper();
  const UniqueFd session = OpenSession(keeper);
  // It takes the role while the keeper does not look.
  REQUIRE(::kill(keeper, SIGSTOP) == 0);
  Kill(living.server->Worker());
  const pid_t other = ::fork();
  REQUIRE(other >= 0);
  if (other == 0) {
    (void)AwaitRole(session.get(), SessionRole::kWorker, absl::Seconds(5));
    (void)::pause();
    ::_exit(0);
  }
  REQUIRE(Eventually([&] {
    const auto holder = FindRole(session.get(), SessionRole::kWorker);
    return holder.ok() && holder->has_value() && (*holder)->pid == other;
  }));
  REQUIRE(::kill(keeper, SIGCONT) == 0);
  SleepMs(3000);
  Kill(other);
  REQUIRE(::waitpid(other, nullptr, 0) == other);
  CHECK(living.ReadOnce(1, 1) == "");
  INFO(living.server->Log());
  CHECK(absl::StrContains(living.server->Log(), absl::StrCat("worker_adopted pid=", other)));
  CHECK(living.server->Keeper() == keeper);
}

TEST_CASE("a mount that no worker can serve is ended, and a new one works", "[integration][fuse]") {
  FuseServerOptions options = Options(false, false);
  options.arguments.emplace_back("--give-up-after=2");
  LivingStore living(options);
  const pid_t keeper = living.server->Keeper();
  // The saved session becomes one that no worker can read: its oldest reader is version 99.
  const uint32_t oldest_reader = 99;
  REQUIRE(::pwrite(OpenSession(keeper).get(), &oldest_reader, sizeof oldest_reader, 12) == 4);
  Kill(living.server->Worker());
  const absl::Time begin = absl::Now();
  const std::string error = living.ReadOnce(399, 1);  // hangs until it is ended
  CHECK(absl::Now() - begin > absl::Seconds(1));
  CHECK((absl::StrContains(error, "abort") || absl::StrContains(error, "not connected")));
  CHECK(living.server->WaitForStarted() == 1);
  CHECK(absl::StrContains(living.server->Log(), "mount_given_up"));
  CHECK(absl::StrContains(living.server->Log(), "containers_lost count=0"));
  CHECK(living.server->Processes().empty());
  CHECK_FALSE(living.server->IsMounted());
  living.Start();
  CHECK(living.ReadOnce(1, 1) == "");
}

}  // namespace
}  // namespace stowage
