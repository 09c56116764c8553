#include "plugin/cli/runner_command.h"

#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using Words = std::vector<std::string>;

ContainerSpec Spec() {
  ContainerSpec spec;
  spec.address = "/c.sock";
  spec.containerd_namespace = "ns";
  spec.snapshotter = "stowage";
  spec.names = NamesForReference("nix/git", "git", "latest", "ns");
  return spec;
}

const Runner kCtr = {Runner::Kind::kCtr, "/bin/ctr"};
const Runner kNerdctl = {Runner::Kind::kNerdctl, "/bin/nerdctl"};

TEST_CASE("RunnerCommand for ctr names the image literally and gives an ID",
          "[cli][runner_command]") {
  ContainerSpec spec = Spec();
  spec.runner_flags = {"--rm", "--env", "A=B"};
  spec.runner_words = {"-i"};
  spec.command = {"git", "-it"};
  CHECK(RunnerCommand(kCtr, spec, "git-1") ==
        Words{"/bin/ctr", "--address", "/c.sock", "--namespace", "ns", "run", "--snapshotter",
              "stowage", "--rm", "--env", "A=B", "-i", "nix/git:latest", "git-1", "git", "-it"});
  spec.id = "mine";
  CHECK(RunnerCommand(kCtr, spec, "git-1")[13] == "mine");
}

TEST_CASE("RunnerCommand for ctr leaves out that standard input is open", "[cli][runner_command]") {
  const auto [flags, want] = GENERATE(table<Words, Words>({
      {{"-it"}, {"-t"}},
      {{"-i"}, {}},
      {{"-td"}, {"-t", "-d"}},
      {{"--interactive", "--tty"}, {"--tty"}},
      {{"--env", "-i"}, {"--env", "-i"}},  // a value, whatever it looks like
      {{"--rm"}, {"--rm"}},
  }));
  ContainerSpec spec = Spec();
  spec.runner_flags = flags;
  const Words words = RunnerCommand(kCtr, spec, "id");
  REQUIRE(words.size() == 10 + want.size());
  CHECK(Words(words.begin() + 8, words.end() - 2) == want);
}

TEST_CASE("RunnerCommand for nerdctl never asks a registry", "[cli][runner_command]") {
  ContainerSpec spec = Spec();
  spec.id = "mine";
  spec.runner_flags = {"-it"};
  spec.command = {"sh"};
  CHECK(RunnerCommand(kNerdctl, spec, "git-1") ==
        Words{"/bin/nerdctl", "--address", "/c.sock", "--namespace", "ns", "--snapshotter",
              "stowage", "run", "--pull=never", "--name=mine", "-it", "nix.local/git:latest",
              "sh"});
  spec.id.clear();
  CHECK(RunnerCommand(kNerdctl, spec, "git-1")[9] == "-it");
}

TEST_CASE("FindRunner prefers nerdctl and says what is missing", "[cli][runner_command]") {
  const testing::TemporaryDirectory first;
  const testing::TemporaryDirectory second;
  const std::string path = first.path() + "::" + second.path();
  const auto install = [](const std::string& file) {
    REQUIRE_OK(OpenAt(AT_FDCWD, file, O_CREAT | O_WRONLY, 0755));
  };
  CHECK(absl::IsFailedPrecondition(FindRunner(RunnerChoice::kAutomatic, path).status()));
  install(second.Join("ctr"));
  REQUIRE_OK(FindRunner(RunnerChoice::kAutomatic, path));
  CHECK(FindRunner(RunnerChoice::kAutomatic, path)->path == second.Join("ctr"));
  CHECK(absl::IsFailedPrecondition(FindRunner(RunnerChoice::kNerdctl, path).status()));
  install(second.Join("nerdctl"));
  CHECK(FindRunner(RunnerChoice::kAutomatic, path)->path == second.Join("nerdctl"));
  CHECK(FindRunner(RunnerChoice::kAutomatic, path)->kind == Runner::Kind::kNerdctl);
  CHECK(FindRunner(RunnerChoice::kCtr, path)->path == second.Join("ctr"));
  install(first.Join("ctr"));
  CHECK(FindRunner(RunnerChoice::kCtr, path)->path == first.Join("ctr"));
}

TEST_CASE("FindRunner passes over directories and files that do not run", "[cli][runner_command]") {
  const testing::TemporaryDirectory directory;
  REQUIRE(::mkdir(directory.Join("nerdctl").c_str(), 0755) == 0);
  REQUIRE_OK(OpenAt(AT_FDCWD, directory.Join("ctr"), O_CREAT | O_WRONLY, 0644));
  CHECK(
      absl::IsFailedPrecondition(FindRunner(RunnerChoice::kAutomatic, directory.path()).status()));
}

TEST_CASE("ContainerIdFor makes what containerd takes", "[cli][runner_command]") {
  const auto [reference, want] = GENERATE(table<std::string, std::string>({
      {"nix/git", "git-1f"},
      {"nix/shell/python3Packages.requests:v1", "python3Packagesrequests-1f"},
      {"git", "git-1f"},
      {"nix/---", "stowage-1f"},
      {"nix/" + std::string(200, 'a'), std::string(40, 'a') + "-1f"},
  }));
  CHECK(ContainerIdFor(reference, "1f") == want);
}

TEST_CASE("ShellQuoted can be pasted", "[cli][runner_command]") {
  CHECK(ShellQuoted({"a", "b c", "", "it's", "$x", "--e=A=B", "/x:y"}) ==
        "a 'b c' '' 'it'\\''s' '$x' --e=A=B /x:y");
}

}  // namespace
}  // namespace stowage
