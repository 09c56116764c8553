#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>

#include <thread>

#include "base/unique_fd.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

SubprocessOptions Shell(const std::string& script) {
  SubprocessOptions options;
  options.argv = {"sh", "-c", script};
  options.deadline = absl::Now() + absl::Seconds(20);
  return options;
}

TEST_CASE("RunSubprocess returns exit code and both outputs", "[base][subprocess]") {
  const auto result = RunSubprocess(Shell("echo out; echo err >&2; exit 7"));
  REQUIRE_OK(result);
  CHECK(result->exit_code == 7);
  CHECK(result->standard_output == "out\n");
  CHECK(result->standard_error == "err\n");
}

TEST_CASE("RunSubprocess reads both pipes at once, whatever fills first", "[base][subprocess]") {
  const auto result =
      RunSubprocess(Shell("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero"));
  REQUIRE_OK(result);
  CHECK(result->standard_output.size() == 1000000);
  CHECK(result->standard_error.size() == 1000000);
}

TEST_CASE("RunSubprocess gives the standard input and environment", "[base][subprocess]") {
  SubprocessOptions options = Shell("cat; echo $A");
  options.standard_input = std::string(300000, 'x');
  options.environment = {"A=b", "PATH=/usr/bin:/bin"};
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  CHECK(result->standard_output == std::string(300000, 'x') + "b\n");
}

TEST_CASE("RunSubprocess gives no descriptor but the three", "[base][subprocess]") {
  const UniqueFd inheritable(::open("/dev/null", O_RDONLY));  // no O_CLOEXEC
  REQUIRE(inheritable);
  // The glob is expanded, and its directory closed again, before echo sees the names.
  const auto result =
      RunSubprocess(Shell("for fd in /proc/$$/fd/*; do [ -e $fd ] && echo ${fd##*/}; done"));
  REQUIRE_OK(result);
  CHECK(result->standard_output == "0\n1\n2\n");
}

TEST_CASE("RunSubprocess says which program is missing", "[base][subprocess]") {
  SubprocessOptions options;
  options.argv = {GENERATE("no-such-program", "/no/such/program")};
  const auto result = RunSubprocess(options);
  CHECK(absl::IsNotFound(result.status()));
  CHECK(result.status().message().find(options.argv[0]) != std::string::npos);
}

TEST_CASE("RunSubprocess ends a child at the deadline, also one that ignores SIGTERM",
          "[base][subprocess]") {
  SubprocessOptions options =
      Shell(GENERATE("sleep 60", "trap '' TERM; while :; do sleep 0.05; done"));
  options.deadline = absl::Now() + absl::Milliseconds(100);
  options.kill_grace = absl::Milliseconds(100);
  const absl::Time start = absl::Now();
  CHECK(absl::IsDeadlineExceeded(RunSubprocess(options).status()));
  CHECK(absl::Now() - start < absl::Seconds(10));
}

TEST_CASE("RunSubprocess ends a child when asked to stop", "[base][subprocess]") {
  std::stop_source source;
  SubprocessOptions options = Shell("sleep 60");
  options.stop = source.get_token();
  const std::jthread stopper([&] { source.request_stop(); });
  CHECK(absl::IsCancelled(RunSubprocess(options).status()));
}

TEST_CASE("RunSubprocess does not wait for a grandchild that keeps the pipes",
          "[base][subprocess]") {
  const absl::Time start = absl::Now();
  const auto result = RunSubprocess(Shell("echo done; sleep 30 & exit 0"));
  REQUIRE_OK(result);
  CHECK(result->standard_output == "done\n");
  CHECK(absl::Now() - start < absl::Seconds(10));
}

TEST_CASE("RunSubprocess reports a killing signal as 128 plus its number", "[base][subprocess]") {
  const auto result = RunSubprocess(Shell("kill -KILL $$"));
  REQUIRE_OK(result);
  CHECK(result->exit_code == 128 + SIGKILL);
}

}  // namespace
}  // namespace stowage
