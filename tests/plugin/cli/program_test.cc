#include "plugin/cli/program.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "tests/plugin/cli/fake_stowaged.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using nlohmann::json;
using testing::FakeStowaged;
using testing::ImageEvent;
using testing::ProgressEvent;

struct Outcome {
  int exit_code = 0;
  std::string out;
  std::string err;
};

Outcome Run(const std::vector<std::string>& words, const Environment& environment) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = RunProgram(words, environment, {.out = out, .err = err});
  return {exit_code, out.str(), err.str()};
}

Environment For(const FakeStowaged& daemon) {
  Environment environment;
  environment.control_socket = daemon.socket();
  return environment;
}

void ServeGit(FakeStowaged& daemon) {
  daemon.resolve = [](auto&, auto&, auto& writer) {
    writer.Write(ProgressEvent(v1::Progress::REALISE, "git-2.44"));
    v1::ResolvedImage image;
    image.set_name("git");
    image.set_tag("latest");
    image.add_warnings("two packages have bin/x");
    writer.Write(ImageEvent(image));
    return grpc::Status::OK;
  };
}

TEST_CASE("The result goes to standard output, progress and warnings do not", "[cli][program]") {
  FakeStowaged daemon;
  ServeGit(daemon);
  const Outcome outcome = Run({"resolve", "nix/git"}, For(daemon));
  CHECK(outcome.exit_code == 0);
  CHECK(absl::StartsWith(outcome.out, "Name:         git:latest\n"));
  CHECK(outcome.err == "building: git-2.44\nwarning: two packages have bin/x\n");
}

TEST_CASE("The option --quiet leaves the result only", "[cli][program]") {
  FakeStowaged daemon;
  ServeGit(daemon);
  const Outcome outcome = Run({"resolve", "-q", "nix/git"}, For(daemon));
  CHECK(outcome.exit_code == 0);
  CHECK(absl::StartsWith(outcome.out, "Name:         git:latest\n"));
  CHECK(outcome.err.empty());
}

TEST_CASE("The option --json prints one object and nothing else", "[cli][program]") {
  FakeStowaged daemon;
  ServeGit(daemon);
  Environment environment = For(daemon);
  environment.error_terminal = true;
  const Outcome outcome = Run({"resolve", "--json", "nix/git"}, environment);
  CHECK(outcome.exit_code == 0);
  CHECK(json::parse(outcome.out)["name"] == "git");
  CHECK(outcome.err.empty());
}

TEST_CASE("A terminal gets repainted lines that are gone at the end", "[cli][program]") {
  FakeStowaged daemon;
  ServeGit(daemon);
  Environment environment = For(daemon);
  environment.error_terminal = true;
  const Outcome colored = Run({"resolve", "nix/git"}, environment);
  CHECK(absl::StrContains(colored.err, "\x1b[1mbuilding\x1b[0m"));
  CHECK(absl::StrContains(colored.err, "\x1b[1A\x1b[J\x1b[?25hwarning: "));
  environment.no_color = true;
  CHECK_FALSE(absl::StrContains(Run({"resolve", "nix/git"}, environment).err, "\x1b[1m"));
}

TEST_CASE("An error is one message with an exit code, and JSON when asked for", "[cli][program]") {
  FakeStowaged daemon;
  daemon.resolve = [](auto&, auto&, auto&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no package 'nosuch' \x1b[2Jin x");
  };
  const Outcome text = Run({"resolve", "nix/nosuch"}, For(daemon));
  CHECK(text.exit_code == 3);
  CHECK(text.out.empty());
  CHECK(text.err == "stowage: resolve nix/nosuch: no package 'nosuch' in x\n");

  const Outcome as_json = Run({"--json", "resolve", "nix/nosuch"}, For(daemon));
  CHECK(as_json.exit_code == 3);
  CHECK(as_json.err.empty());
  CHECK(json::parse(as_json.out)["error"]["code"] == "NOT_FOUND");
}

TEST_CASE("A wrong command line is 2, also in JSON", "[cli][program]") {
  const Outcome text = Run({"resolve"}, {});
  CHECK(text.exit_code == 2);
  CHECK(absl::StrContains(text.err, "REF is required"));
  const Outcome as_json = Run({"resolve", "--json"}, {});
  CHECK(as_json.exit_code == 2);
  CHECK(json::parse(as_json.out)["error"]["code"] == "INVALID_ARGUMENT");
  CHECK(as_json.err.empty());
}

TEST_CASE("An unreachable daemon or containerd is 4", "[cli][program]") {
  const testing::TemporaryDirectory directory;
  Environment environment;
  environment.control_socket = directory.Join("control.sock");
  environment.containerd_address = directory.Join("containerd.sock");
  environment.search_path = "";
  const Outcome status = Run({"status"}, environment);
  CHECK(status.exit_code == 4);
  CHECK(absl::StrContains(status.err, "systemctl start stowaged"));
  const Outcome pull = Run({"pull", "nix/git"}, environment);
  CHECK(pull.exit_code == 4);
  CHECK(absl::StrContains(pull.err, "systemctl start containerd"));
  // Nothing to run it with is found out first.
  const Outcome run = Run({"run", "nix/git"}, environment);
  CHECK(run.exit_code == 1);
  CHECK(absl::StrContains(run.err, "neither nerdctl nor ctr"));
}

TEST_CASE("A result that cannot be written is a failure", "[cli][program]") {
  std::ostringstream out;
  std::ostringstream err;
  out.setstate(std::ios::badbit);
  CHECK(RunProgram({"--version"}, {}, {.out = out, .err = err}) == 1);
  CHECK(absl::StrContains(err.str(), "standard output"));
}

TEST_CASE("setup containerd prints a diff first and writes then", "[cli][program]") {
  const testing::TemporaryDirectory etc;
  std::vector<std::string> words = {"setup",
                                    "containerd",
                                    "--config",
                                    etc.Join("config.toml"),
                                    "--certs-dir",
                                    etc.Join("certs.d"),
                                    "--stowage-config",
                                    etc.Join("none.toml"),
                                    "--containerd-version",
                                    "1.7.24"};
  words.push_back("--dry-run");
  const Outcome dry = Run(words, {});
  CHECK(dry.exit_code == 0);
  CHECK(absl::StrContains(dry.out, absl::StrCat("--- /dev/null\n+++ ", etc.Join("config.toml"))));
  CHECK(absl::StrContains(dry.out, "+version = 2\n"));
  CHECK(absl::EndsWith(dry.out, "dry run: nothing was written\n"));
  CHECK_FALSE(DirectoryExists(etc.Join("certs.d")));

  words.pop_back();
  const Outcome wet = Run(words, {});
  CHECK(wet.exit_code == 0);
  CHECK(absl::StrContains(wet.out, absl::StrCat("wrote ", etc.Join("conf.d/stowage.toml"), "\n")));
  CHECK(absl::StrContains(wet.out, "  systemctl restart containerd\n"));

  words.push_back("--json");
  const json again = json::parse(Run(words, {}).out);
  CHECK(again["changes"].empty());
  CHECK(again["next"] == json({"stowage doctor"}));
}

TEST_CASE("setup containerd tells an ordinary user to restart what is in the old namespaces",
          "[cli][program]") {
  const testing::TemporaryDirectory etc;
  Environment environment;
  environment.rootless = true;
  const Outcome outcome = Run({"setup", "containerd", "--config", etc.Join("config.toml"),
                               "--certs-dir", etc.Join("certs.d"), "--stowage-config",
                               etc.Join("none.toml"), "--containerd-version", "1.7.24"},
                              environment);
  CHECK(outcome.exit_code == 0);
  CHECK(absl::StrContains(outcome.out,
                          "  systemctl --user restart containerd\n  restart 'stowaged --rootless' "
                          "and 'stowage-fuse --rootless'"));
}

TEST_CASE("setup containerd prints names that are no UTF-8", "[cli][program]") {
  const testing::TemporaryDirectory etc;
  REQUIRE_OK(MakeDirectories(etc.Join("\xff\x1b[2J")));
  const std::string config = etc.Join("\xff\x1b[2J/config.toml");
  REQUIRE_OK(WriteFileAtomically(config, "[plugins.cri]\n"));
  std::vector<std::string> words = {
      "setup",          "containerd",           "--dry-run",   "--config",
      config,           "--certs-dir",          etc.Join("c"), "--stowage-config",
      etc.Join("none"), "--containerd-version", "1.6.20"};
  const Outcome text = Run(words, {});
  CHECK(text.exit_code == 1);
  CHECK(absl::StrContains(text.out, etc.Join("\xEF\xBF\xBD/config.toml: ")));
  CHECK_FALSE(absl::StrContains(text.out, "\x1b"));
  words.push_back("--json");
  const Outcome object = Run(words, {});
  CHECK(object.exit_code == 1);
  CHECK(absl::StrContains(json::parse(object.out)["by_hand"][0]["path"].get<std::string>(),
                          "\xEF\xBF\xBD"));
}

TEST_CASE("setup containerd ends with 1 when something is left to do", "[cli][program]") {
  const testing::TemporaryDirectory etc;
  REQUIRE_OK(WriteFileAtomically(etc.Join("config.toml"), "[plugins.cri]\n"));
  const Outcome outcome = Run(
      {"setup", "containerd", "--config", etc.Join("config.toml"), "--certs-dir",
       etc.Join("certs.d"), "--stowage-config", etc.Join("none"), "--containerd-version", "1.6.20"},
      {});
  CHECK(outcome.exit_code == 1);
  CHECK(absl::StrContains(outcome.out, "to do by hand, "));
  CHECK(absl::StrContains(outcome.out, "\n    [proxy_plugins.stowage]\n"));
}

TEST_CASE("doctor prints findings worst first and ends with 1", "[cli][program]") {
  const testing::TemporaryDirectory node;
  Environment environment;
  environment.control_socket = node.Join("control.sock");
  std::vector<std::string> words = {"doctor",
                                    "--config",
                                    node.Join("config.toml"),
                                    "--stowage-config",
                                    node.Join("stowage.toml"),
                                    "--address",
                                    node.Join("containerd.sock")};
  const Outcome text = Run(words, environment);
  CHECK(text.exit_code == 1);
  CHECK(absl::StartsWith(text.out, "DANGER "));
  CHECK(absl::StrContains(text.out, "\nERROR stowaged-unreachable\n"));
  CHECK(absl::StrContains(text.out, "\n  fix: start stowaged\n"));

  words.push_back("--json");
  const Outcome outcome = Run(words, environment);
  CHECK(outcome.exit_code == 1);
  const json object = json::parse(outcome.out);
  CHECK(object["ok"] == false);
  CHECK(object["findings"][0]["severity"] == "danger");
  CHECK(object["findings"].back()["severity"] == "note");
}

}  // namespace
}  // namespace stowage
