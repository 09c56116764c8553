#include "plugin/cli/command_line.h"

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("ParseCommandLine takes defaults from the environment", "[cli][command_line]") {
  Environment environment;
  environment.control_socket = "/e.sock";
  environment.containerd_address = "/ec.sock";
  environment.containerd_namespace = "ens";
  const auto pull = ParseCommandLine({"pull", "nix/git"}, environment);
  REQUIRE_OK(pull);
  CHECK(pull->command == Command::kPull);
  CHECK(pull->reference == "nix/git");
  CHECK(pull->control_socket == "/e.sock");
  CHECK(pull->containerd_address == "/ec.sock");
  CHECK(pull->containerd_namespace == "ens");
  CHECK(pull->snapshotter == "stowage");
  CHECK(pull->timeout == absl::InfiniteDuration());
  CHECK_FALSE(pull->json);
  CHECK_FALSE(pull->quiet);
}

TEST_CASE("AsksOwnStowaged is false where another socket is named, and for root",
          "[cli][command_line]") {
  Environment environment;
  environment.rootless = true;
  environment.control_socket = environment.stowage_defaults.control_socket = "/u/control.sock";
  const auto own = ParseCommandLine({"status"}, environment);
  const auto other = ParseCommandLine({"status", "--socket=/s"}, environment);
  environment.rootless = false;
  const auto root = ParseCommandLine({"status"}, environment);
  REQUIRE_OK(own);
  REQUIRE_OK(other);
  REQUIRE_OK(root);
  CHECK(AsksOwnStowaged(*own));
  CHECK_FALSE(AsksOwnStowaged(*other));
  CHECK_FALSE(AsksOwnStowaged(*root));
}

TEST_CASE("ParseCommandLine takes options before and after the command", "[cli][command_line]") {
  const Words words =
      GENERATE(values<Words>({{"--socket", "/s", "--json", "-q", "pull", "nix/git", "--address=/a",
                               "-n", "ns", "--snapshotter", "st", "--timeout", "1h30m"},
                              {"pull", "-nns", "--timeout=90m", "--snapshotter=st", "--address",
                               "/a", "nix/git", "--quiet", "--json", "--socket=/s"}}));
  const auto pull = ParseCommandLine(words, {});
  REQUIRE_OK(pull);
  CHECK(pull->control_socket == "/s");
  CHECK(pull->json);
  CHECK(pull->quiet);
  CHECK(pull->containerd_address == "/a");
  CHECK(pull->containerd_namespace == "ns");
  CHECK(pull->snapshotter == "st");
  CHECK(pull->timeout == absl::Minutes(90));
  CHECK(pull->reference == "nix/git");
}

TEST_CASE("ParseCommandLine sorts the words of run", "[cli][command_line]") {
  const auto run = ParseCommandLine({"--socket", "/s", "run", "--with", "ctr", "--rm", "--id=x",
                                     "-n", "ns", "-it", "nix/git", "git", "--json", "-n"},
                                    {});
  REQUIRE_OK(run);
  CHECK(run->command == Command::kRun);
  CHECK(run->runner == RunnerChoice::kCtr);
  CHECK(run->container_id == "x");
  CHECK(run->containerd_namespace == "ns");
  CHECK(run->control_socket == "/s");
  CHECK(run->reference == "nix/git");
  CHECK_FALSE(run->json);
  CHECK(run->run.runner_flags == Words{"--rm", "-it"});
  CHECK(run->run.command == Words{"git", "--json", "-n"});
}

TEST_CASE("ParseCommandLine knows --name as --id, and the global options after run",
          "[cli][command_line]") {
  const auto run = ParseCommandLine({"run", "--name", "x", "--socket", "/s", "-q", "nix/git"}, {});
  REQUIRE_OK(run);
  CHECK(run->container_id == "x");
  CHECK(run->control_socket == "/s");
  CHECK(run->quiet);
  CHECK(run->runner == RunnerChoice::kAutomatic);
  CHECK(run->run.runner_flags.empty());
}

TEST_CASE("ParseCommandLine knows the other commands", "[cli][command_line]") {
  const auto inspect = ParseCommandLine({"inspect", "--layers", "nix/git"}, {});
  REQUIRE_OK(inspect);
  CHECK(inspect->command == Command::kInspect);
  CHECK(inspect->layers);
  const auto resolve = ParseCommandLine({"resolve", "nix/git"}, {});
  REQUIRE_OK(resolve);
  CHECK(resolve->command == Command::kResolve);
  CHECK_FALSE(resolve->layers);
  const auto status = ParseCommandLine({"status"}, {});
  REQUIRE_OK(status);
  CHECK(status->command == Command::kStatus);
}

TEST_CASE("Every command's help has its usage and examples", "[cli][command_line]") {
  const std::string command = GENERATE("pull", "run", "resolve", "inspect", "status");
  const auto help = ParseCommandLine({command, "--help"}, {});
  REQUIRE_OK(help);
  CHECK(help->command == Command::kNone);
  CHECK(absl::StrContains(help->message, "Usage: stowage " + command));
  CHECK(absl::StrContains(help->message, "Examples:\n  stowage " + command));
  CHECK(absl::StrContains(help->message, "stowage --help"));
}

TEST_CASE("The program's help names commands, exit codes and environment", "[cli][command_line]") {
  const auto help = ParseCommandLine({GENERATE("--help", "-h")}, {});
  REQUIRE_OK(help);
  for (const std::string part : {"Usage: stowage", "pull", "inspect",
                                 "Exit codes:", "STOWAGE_SOCKET", "--json", "Examples:"})
    CHECK(absl::StrContains(help->message, part));
}

TEST_CASE("The option --version prints one line", "[cli][command_line]") {
  const auto version = ParseCommandLine({"--version"}, {});
  REQUIRE_OK(version);
  CHECK(version->message == "stowage " STOWAGE_VERSION "\n");
}

TEST_CASE("ParseCommandLine says what is wrong and where to read on", "[cli][command_line]") {
  const auto [words, what, help] = GENERATE(table<Words, std::string, std::string>({
      {{}, "subcommand is required", "'stowage --help'"},
      {{"bogus"}, "no command 'bogus'", "'stowage --help'"},
      {{"--socket", "run", "bogus"}, "no command 'bogus'", "'stowage --help'"},
      {{"--bogus", "pull", "a"}, "no option '--bogus'", "'stowage --help'"},
      {{"pull"}, "REF is required", "'stowage pull --help'"},
      {{"pull", "a", "b"}, "b", "'stowage pull --help'"},
      {{"pull", "--rm", "a"}, "--rm", "'stowage pull --help'"},
      {{"pull", "a", "--timeout", "soon"}, "'soon' is no duration", "'stowage pull --help'"},
      {{"pull", "a", "--timeout", "-1s"}, "no duration", "'stowage pull --help'"},
      {{"pull", "a", "-n", ""}, "'' is no name", "'stowage pull --help'"},
      {{"pull", "a", "-n=x"}, "'=x' is no name", "'stowage pull --help'"},
      {{"status", "a"}, "a", "'stowage status --help'"},
      {{"run"}, "REF is required", "'stowage run --help'"},
      {{"run", "--rm"}, "REF is required", "'stowage run --help'"},
      {{"run", "--odd", "a"}, "--odd=VALUE", "'stowage run --help'"},
      {{"run", "--with", "podman", "a"}, "none of auto, nerdctl, ctr", "'stowage run --help'"},
      {{"run", "--json", "a"}, "pull --json", "'stowage run --help'"},
  }));
  CAPTURE(words);
  const auto invocation = ParseCommandLine(words, {});
  CHECK(absl::IsInvalidArgument(invocation.status()));
  INFO(invocation.status().message());
  CHECK(absl::StrContains(invocation.status().message(), what));
  CHECK(absl::StrContains(invocation.status().message(), help));
}

TEST_CASE("ParseCommandLine takes the options of setup containerd", "[cli][command_line]") {
  const auto plain = ParseCommandLine({"setup", "containerd"}, {});
  REQUIRE_OK(plain);
  CHECK(plain->command == Command::kSetupContainerd);
  CHECK(plain->containerd_config == "/etc/containerd/config.toml");
  CHECK(plain->stowage_config == "/etc/stowage/config.toml");
  CHECK_FALSE(plain->dry_run);
  CHECK_FALSE(plain->short_names);

  const auto all = ParseCommandLine(
      {"setup", "containerd", "--dry-run", "--short-names", "--config", "/c", "--certs-dir=/d",
       "--containerd-version", "2.1.9", "--snapshotter", "s", "--stowage-config", "t", "--json"},
      {});
  REQUIRE_OK(all);
  CHECK(all->dry_run);
  CHECK(all->short_names);
  CHECK(all->containerd_config == "/c");
  CHECK(all->certs_directory == "/d");
  CHECK(all->containerd_version == "2.1.9");
  CHECK(all->snapshotter == "s");
  CHECK(all->stowage_config == "t");
  CHECK(all->json);
}

TEST_CASE("ParseCommandLine names the help of the innermost command", "[cli][command_line]") {
  const Words words =
      GENERATE(values<Words>({{"setup"}, {"setup", "containerd", "--config", "relative"}}));
  const auto refused = ParseCommandLine(words, {});
  CHECK(refused.status().code() == absl::StatusCode::kInvalidArgument);
  INFO(refused.status().message());
  CHECK(absl::EndsWith(refused.status().message(),
                       words.size() == 1 ? "(see 'stowage setup --help')"
                                         : "(see 'stowage setup containerd --help')"));
  const auto help = ParseCommandLine({"setup", "containerd", "--help"}, {});
  REQUIRE_OK(help);
  CHECK(absl::StrContains(help->message, "Usage: stowage setup containerd [OPTIONS]"));
}

TEST_CASE("ParseCommandLine takes the options of doctor", "[cli][command_line]") {
  const auto plain = ParseCommandLine({"doctor"}, {});
  REQUIRE_OK(plain);
  CHECK(plain->command == Command::kDoctor);
  CHECK(plain->containerd_config.empty());  // that of the running daemon
  const auto all = ParseCommandLine({"doctor", "--json", "--address", "/a", "--config=/c"}, {});
  REQUIRE_OK(all);
  CHECK(all->json);
  CHECK(all->containerd_address == "/a");
  CHECK(all->containerd_config == "/c");
}

TEST_CASE("pull and run fetch as stowaged is configured unless they are told", "[cli]") {
  const std::string command = GENERATE("pull", "run");
  const auto lazy = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words = {command};
    words.insert(words.end(), flags.begin(), flags.end());
    words.emplace_back("nix/git");
    const auto parsed = ParseCommandLine(words, Environment());
    REQUIRE_OK(parsed);
    return parsed->lazy;
  };
  CHECK(lazy({}) == std::nullopt);
  CHECK(lazy({"--lazy"}) == true);
  CHECK(lazy({"--no-lazy"}) == false);
}

}  // namespace
}  // namespace stowage
