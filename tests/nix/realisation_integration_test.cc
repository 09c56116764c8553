#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "nix/gc_roots.h"
#include "nix/realisation.h"
#include "tests/nix/nix_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::EvaluateNames;
using testing::TestLimits;
using testing::TestNixOptions;

// Roots of one test, below Nix's gcroots, removed at the end.
class TestRoots {
 public:
  TestRoots()
      : directory_(absl::StrCat("/nix/var/nix/gcroots/stowage-test-", ::getpid(), "-", counter_++)),
        roots(directory_) {}
  ~TestRoots() { CHECK(RemoveTree(directory_).ok()); }
  std::string link() const { return roots.ResolveLink("test"); }

 private:
  static inline int counter_ = 0;
  const std::string directory_;

 public:
  GcRoots roots;
};

SubprocessResult NixStore(std::vector<std::string> arguments) {
  const NixOptions nix = TestNixOptions();
  SubprocessOptions options;
  options.argv = {nix.program_directory.empty() ? "nix-store"
                                                : nix.program_directory + "/nix-store"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.deadline = absl::Now() + absl::Minutes(2);
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  return *result;
}

std::vector<EvaluatedPackage> Packages(std::vector<std::string> names) {
  const auto evaluation = EvaluateNames(std::move(names));
  REQUIRE_OK(evaluation);
  return evaluation->packages;
}

// So that a build really happens.
void Forget(const EvaluatedPackage& package) {
  (void)NixStore({"--delete", package.out_path.ToString()});
  REQUIRE(::access(package.out_path.ToString().c_str(), F_OK) != 0);
}

// Whether a builder of this package runs: its output's path is in the environment of a process.
bool BuilderRuns(const EvaluatedPackage& package) {
  const auto processes = ListDirectory("/proc");
  REQUIRE_OK(processes);
  for (const std::string& pid : *processes) {
    const auto environment = ReadFile(absl::StrCat("/proc/", pid, "/environ"));
    if (environment.ok() && absl::StrContains(*environment, "out=" + package.out_path.ToString()))
      return true;
  }
  return false;
}

bool Within(absl::Duration time, const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + time;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

TEST_CASE("Realise builds and roots packages, several outputs too", "[nix][realisation]") {
  TestRoots test;
  const auto packages =
      Packages({"tests.multi", "hello", "tests.multi.dev", "tests.multi", "tests.textfile"});
  const auto paths =
      NixRealiser(TestNixOptions()).Realise(packages, test.link(), nullptr, TestLimits());
  REQUIRE_OK(paths);
  REQUIRE(paths->size() == 5);
  for (size_t i = 0; i < paths->size(); ++i) {
    CHECK((*paths)[i] == packages[i].out_path);
    CHECK(::access((*paths)[i].ToString().c_str(), F_OK) == 0);
    const SubprocessResult deletion = NixStore({"--delete", (*paths)[i].ToString()});
    CHECK(deletion.exit_code != 0);
    CHECK(absl::StrContains(deletion.standard_error, "still alive"));
  }
  CHECK((*paths)[2].name() == "multi-dev");
  REQUIRE_OK(RemoveRoots(test.link()));
  CHECK_FALSE(absl::StrContains(
      NixStore({"--query", "--roots", packages[0].out_path.ToString()}).standard_output,
      test.link()));
}

TEST_CASE("Realise tells its progress", "[nix][realisation]") {
  TestRoots test;
  const auto packages = Packages({"tests.chatty"});
  Forget(packages[0]);
  std::vector<RealiseProgress> events;
  const absl::Time start = absl::Now();
  REQUIRE_OK(NixRealiser(TestNixOptions())
                 .Realise(
                     packages, test.link(),
                     [&](const RealiseProgress& event) { events.push_back(event); }, TestLimits()));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  CHECK(events.size() <= 2 + static_cast<size_t>(seconds * 10));
  size_t lines = 0;
  for (const RealiseProgress& event : events)
    lines += event.current == "building chatty" && absl::StartsWith(event.log_line, "line ");
  CHECK(lines >= 5);
  CHECK(events.back().done == 1);
  CHECK(events.back().total == 1);
}

TEST_CASE("Realise says which package failed and why, with the builder's last lines",
          "[nix][realisation]") {
  const auto [name, drv] =
      GENERATE(table<std::string, std::string>({{"tests.buildfailure", "-build-failure.drv"},
                                                {"tests.needsfailure", "-build-failure.drv"}}));
  TestRoots test;
  const absl::Status status =
      NixRealiser(TestNixOptions())
          .Realise(Packages({"hello", name}), test.link(), nullptr, TestLimits())
          .status();
  INFO(status.ToString());
  CHECK(absl::IsFailedPrecondition(status));
  const std::vector<std::string> lines = absl::StrSplit(status.message(), '\n');
  CHECK(absl::StartsWith(lines[0], absl::StrCat("build of ", name, " failed: ")));
  CHECK(absl::StrContains(lines[0], drv));
  CHECK(absl::StrContains(lines[0], "exit code 3"));
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] == "last lines of the builder's log:");
  CHECK(lines[2] == "some output");
  CHECK(lines[3] == "compiling...");
}

TEST_CASE("Realise ends the builder at the deadline", "[nix][realisation]") {
  TestRoots test;
  const auto packages = Packages({"tests.slow"});
  CallLimits limits;
  limits.deadline = absl::Now() + absl::Seconds(6);
  std::atomic<bool> ran = false;
  const absl::Status status =
      NixRealiser(TestNixOptions())
          .Realise(
              packages, test.link(),
              [&](const RealiseProgress& p) { ran = ran || !p.log_line.empty(); }, limits)
          .status();
  CHECK(absl::IsDeadlineExceeded(status));
  CHECK(absl::StrContains(status.message(), "build of tests.slow: "));
  CHECK(ran);
  CHECK(Within(absl::Seconds(10), [&] { return !BuilderRuns(packages[0]); }));
}

TEST_CASE("Realise ends the builder when cancelled", "[nix][realisation]") {
  TestRoots test;
  const auto packages = Packages({"tests.silent"});
  std::stop_source stop;
  CallLimits limits = TestLimits();
  limits.stop = stop.get_token();
  bool ran = false;
  std::jthread canceller([&] {
    ran = Within(absl::Seconds(60), [&] { return BuilderRuns(packages[0]); });
    stop.request_stop();
  });
  const absl::Status status =
      NixRealiser(TestNixOptions()).Realise(packages, test.link(), nullptr, limits).status();
  canceller.join();
  CHECK(ran);
  CHECK(absl::IsCancelled(status));
  CHECK(Within(absl::Seconds(10), [&] { return !BuilderRuns(packages[0]); }));
}

TEST_CASE("Realise reports Nix's own time limit", "[nix][realisation]") {
  TestRoots test;
  NixOptions options = TestNixOptions();
  options.extra_settings.push_back("timeout=2");
  const absl::Status status =
      NixRealiser(options)
          .Realise(Packages({"tests.silent"}), test.link(), nullptr, TestLimits())
          .status();
  CHECK(absl::IsDeadlineExceeded(status));
  INFO(status.ToString());
  CHECK(absl::StartsWith(status.message(), "build of tests.silent timed out: "));
}

TEST_CASE("Realise survives a flood of log lines", "[nix][realisation]") {
  TestRoots test;
  const auto packages = Packages({"tests.flood"});
  Forget(packages[0]);
  REQUIRE_OK(NixRealiser(TestNixOptions())
                 .Realise(
                     packages, test.link(), [](const RealiseProgress&) {}, TestLimits()));
}

TEST_CASE("Realise asks to try again when the derivation is gone", "[nix][realisation]") {
  TestRoots test;
  auto packages = Packages({"hello"});
  packages[0].derivation = "/nix/store/00000000000000000000000000000000-gone.drv";
  CHECK(absl::IsUnavailable(NixRealiser(TestNixOptions())
                                .Realise(packages, test.link(), nullptr, TestLimits())
                                .status()));
}

TEST_CASE("Roots of a holder keep paths until the holder is removed", "[nix][gc_roots]") {
  TestRoots test;
  const auto packages = Packages({"tests.symlink"});
  REQUIRE_OK(NixRealiser(TestNixOptions()).Realise(packages, test.link(), nullptr, TestLimits()));
  const std::string path = packages[0].out_path.ToString();
  REQUIRE_OK(test.roots.Add("layer", std::vector<StorePath>{packages[0].out_path}));
  REQUIRE_OK(RemoveRoots(test.link()));
  CHECK(NixStore({"--delete", path}).exit_code != 0);
  CHECK(
      absl::StrContains(NixStore({"--query", "--roots", path}).standard_output, "/layers/layer/"));
  REQUIRE_OK(test.roots.Remove("layer"));
  CHECK_FALSE(
      absl::StrContains(NixStore({"--query", "--roots", path}).standard_output, "/layers/layer/"));
}

}  // namespace
}  // namespace stowage
