#include "nix/realise_log.h"

#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

const std::string kHash = "0123456789abcdfghijklmnpqrsvwxyz";
const std::string kDrv = "/nix/store/" + kHash + "-hello-2.10.drv";

std::string StartBuild(int id, const std::string& drv) {
  return absl::StrCat(R"(@nix {"action":"start","type":105,"id":)", id, R"(,"fields":[")", drv,
                      R"("]})");
}
std::string LogLine(int id, const std::string& text) {
  return absl::StrCat(R"(@nix {"action":"result","type":101,"id":)", id, R"(,"fields":[")", text,
                      R"("]})");
}
std::string Progress(int id, int done, int expected) {
  return absl::StrCat(R"(@nix {"action":"result","type":105,"id":)", id, R"(,"fields":[)", done,
                      ",", expected, ",0,0]}");
}
std::string Error(const std::string& text) {
  return absl::StrCat(R"(@nix {"action":"msg","level":0,"raw_msg":")", text, R"("})");
}

TEST_CASE("RealiseLog reports builds", "[nix][realise_log]") {
  RealiseLog log;
  log.AddLine(R"(@nix {"action":"start","type":104,"id":1})");
  log.AddLine(Progress(1, 2, 5));
  log.AddLine(StartBuild(2, kDrv));
  log.AddLine(LogLine(2, "one"));
  log.AddLine(LogLine(2, "two"));
  const RealiseProgress progress = log.TakeProgress();
  CHECK(progress.phase == RealiseProgress::Phase::kBuilding);
  CHECK(progress.done == 2);
  CHECK(progress.total == 5);
  CHECK(progress.current == "building hello-2.10");
  CHECK(progress.log_line == "two");
  CHECK(log.TakeProgress().log_line.empty());
  log.AddLine(R"(@nix {"action":"stop","id":2})");
  CHECK(log.TakeProgress().current.empty());
}

TEST_CASE("RealiseLog reports bytes while it only copies", "[nix][realise_log]") {
  RealiseLog log;
  log.AddLine(absl::StrCat(R"(@nix {"action":"start","type":100,"id":3,"fields":["/nix/store/)",
                           kHash, R"(-glibc-2.36","file:///c","local"]})"));
  log.AddLine(Progress(3, 100, 300));
  RealiseProgress progress = log.TakeProgress();
  CHECK(progress.phase == RealiseProgress::Phase::kCopying);
  CHECK(progress.done == 100);
  CHECK(progress.total == 300);
  CHECK(progress.current == "copying glibc-2.36");
  log.AddLine(StartBuild(4, kDrv));
  CHECK(log.TakeProgress().phase == RealiseProgress::Phase::kBuilding);
}

TEST_CASE("RealiseLog finds the reason and the log of the failed builder", "[nix][realise_log]") {
  RealiseLog log;
  const std::string other = "/nix/store/" + kHash + "-needs.drv";
  log.AddLine(StartBuild(2, kDrv));
  log.AddLine(StartBuild(3, "/nix/store/" + kHash + "-innocent.drv"));
  for (int i = 0; i < 30; ++i) log.AddLine(LogLine(2, absl::StrCat("line ", i)));
  log.AddLine(LogLine(3, "innocent"));
  log.AddLine(Error("builder for '" + kDrv + "' failed with exit code 3;\\nlast 1 log lines:"));
  log.AddLine(R"(@nix {"action":"stop","id":2})");
  log.AddLine(Error("1 dependencies of derivation '" + other + "' failed to build"));
  CHECK(log.Reason() == "builder for '" + kDrv + "' failed with exit code 3");
  CHECK(log.FailedDerivations() == std::vector<std::string>{kDrv, other});
  const std::vector<std::string> tail = log.BuilderTail();
  REQUIRE(tail.size() == 20);
  CHECK(tail.front() == "line 10");
  CHECK(tail.back() == "line 29");
}

TEST_CASE("RealiseLog prefers a message about a derivation and ignores the interruption",
          "[nix][realise_log]") {
  RealiseLog log;
  CHECK(log.Reason() == "Nix ended without saying why");
  log.AddLine("error: unrecognised flag '--x'");
  CHECK(log.Reason() == "unrecognised flag '--x'");
  log.AddLine(Error("interrupted by the user"));
  log.AddLine(Error("path '" + kDrv + "' is bad"));
  CHECK(log.Reason() == "path '" + kDrv + "' is bad");
}

TEST_CASE("RealiseLog stays small whatever comes", "[nix][realise_log]") {
  RealiseLog log;
  for (int i = 0; i < 12000; ++i)
    log.AddLine(StartBuild(i, absl::StrCat("/nix/store/", kHash, "-", i, ".drv")));
  for (int i = 0; i < 1000; ++i) log.AddLine(LogLine(i, std::string(5000, 'x')));
  for (int i = 0; i < 1000; ++i) log.AddLine(Error(std::string(100, 'e')));
  CHECK(log.TakeProgress().log_line.size() == 1000);
  CHECK(log.FailedDerivations().empty());
  CHECK(log.BuilderTail().empty());
  log.AddLine(Error("builder for '/nix/store/" + kHash + "-999.drv' failed"));
  CHECK(log.FailedDerivations().empty());  // the hundredth error is the last one kept
}

TEST_CASE("RealiseLog cuts long lines between characters", "[nix][realise_log]") {
  RealiseLog log;
  log.AddLine(StartBuild(1, kDrv));
  std::string text(999, 'a');
  log.AddLine(LogLine(1, text + "\xc3\xa4"));
  CHECK(log.TakeProgress().log_line == text);
}

}  // namespace
}  // namespace stowage
