// The program `stowage` itself, between a stand-in for stowaged and a real containerd. Registered
// as an integration test: needs root. The program's path is in STOWAGE_PROGRAM.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/subprocess.h"
#include "tests/plugin/cli/fake_stowaged.h"
#include "tests/plugin/containerd/containerd_process.h"
#include "tests/plugin/containerd/sample_image.h"
#include "tests/plugin/containerd/stand_in_snapshotter.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using nlohmann::json;
using testing::ContainerdProcess;
using testing::FakeStowaged;
using testing::ImageEvent;
using testing::ProgressEvent;
using testing::StandInSnapshotter;

const bool kReady = (testing::SkipWithoutContainerd(), true);

// Prints its name and arguments, one a line.
constexpr char kPrintingScript[] =
    "#!/bin/sh\necho \"${0##*/}\"\nfor word; do echo \"$word\"; done\nexit 7\n";

struct Setup {
  StandInSnapshotter snapshotter;
  ContainerdProcess containerd{{{"stowage", snapshotter.socket()}}};
  FakeStowaged daemon;
  testing::TemporaryDirectory programs;
  ImportRequest image = testing::SampleImage("shell-git", "stowage");

  Setup() {
    snapshotter.Know(image.chain_id);
    daemon.resolve = [this](auto&, auto&, auto& writer) {
      writer.Write(ProgressEvent(v1::Progress::REALISE, "git-2.44"));
      v1::ResolvedImage resolved;
      resolved.set_name("shell/git");
      resolved.set_tag("latest");
      resolved.set_revision("0123");
      resolved.set_manifest_digest(image.manifest_digest.ToString());
      resolved.set_manifest(image.manifest);
      resolved.set_config_digest(image.config_digest.ToString());
      resolved.set_config(image.config);
      resolved.set_chain_id(image.chain_id);
      resolved.add_layers()->set_diff_id(image.chain_id);
      writer.Write(ImageEvent(resolved));
      return grpc::Status::OK;
    };
  }

  void Install(const std::string& name) {
    REQUIRE_OK(WriteFileAtomically(programs.Join(name), kPrintingScript, 0755));
  }

  // Sockets and namespace go by the environment, so that main() is tested with it.
  SubprocessResult Stowage(const std::vector<std::string>& words) {
    SubprocessOptions options;
    options.argv = {::getenv("STOWAGE_PROGRAM")};
    options.argv.insert(options.argv.end(), words.begin(), words.end());
    options.environment = {"STOWAGE_SOCKET=" + daemon.socket(),
                           "CONTAINERD_ADDRESS=" + containerd.address(), "CONTAINERD_NAMESPACE=cli",
                           "PATH=" + programs.path()};
    options.deadline = absl::Now() + absl::Seconds(60);
    const auto result = RunSubprocess(options);
    REQUIRE_OK(result);
    INFO(result->standard_error);
    return *result;
  }

  std::string ImageNames() { return containerd.Ctr("cli", {"images", "ls", "-q"}); }
};

TEST_CASE("stowage pull puts the image into containerd under all its names") {
  Setup setup;
  const SubprocessResult pull = setup.Stowage({"pull", "nix/git/shell"});
  CHECK(pull.exit_code == 0);
  CHECK(absl::StrContains(pull.standard_output, setup.image.config_digest.ToString()));
  CHECK(pull.standard_error == "building: git-2.44\n");
  CHECK(setup.ImageNames() ==
        "nix.local/git/shell:latest\nnix.local/shell/git:latest\n"
        "nix/git/shell:latest\nnix/shell/git:latest\n");
  CHECK(absl::StrContains(setup.containerd.Ctr("cli", {"images", "ls"}),
                          "stowage.reference=shell/git:latest,stowage.revision=0123"));
}

TEST_CASE("stowage pull --json tells the names, and --quiet the first of them") {
  Setup setup;
  const SubprocessResult pull = setup.Stowage({"--json", "pull", "nix/shell/git"});
  CHECK(pull.exit_code == 0);
  CHECK(pull.standard_error.empty());
  const json object = json::parse(pull.standard_output);
  CHECK(object["names"] == json({"nix/shell/git:latest", "nix.local/shell/git:latest"}));
  CHECK(object["namespace"] == "cli");
  CHECK(object["shadowed_by_ordinary_snapshot"] == false);

  const SubprocessResult quiet = setup.Stowage({"pull", "-q", "nix/shell/git"});
  CHECK(quiet.standard_output == "nix/shell/git:latest\n");
  CHECK(quiet.standard_error.empty());
}

TEST_CASE("stowage run executes ctr with the image, an ID and the words of the user") {
  Setup setup;
  setup.Install("ctr");
  const SubprocessResult run = setup.Stowage(
      {"run", "--rm", "-it", "--id", "c1", "nix/git/shell", "git", "log", "--", "a b"});
  CHECK(run.exit_code == 7);
  const std::string address = setup.containerd.address();
  CHECK(run.standard_output ==
        absl::StrCat("ctr\n--address\n", address, "\n--namespace\ncli\nrun\n--snapshotter\n",
                     "stowage\n--rm\n-t\nnix/git/shell:latest\nc1\ngit\nlog\n--\na b\n"));
  CHECK(absl::StrContains(
      run.standard_error,
      absl::StrCat("\n+ ", setup.programs.Join("ctr"), " --address ", address,
                   " --namespace cli run --snapshotter stowage --rm -t nix/git/shell:latest c1 git "
                   "log -- 'a b'\n")));
  CHECK(absl::StrContains(setup.ImageNames(), "nix/git/shell:latest\n"));
}

TEST_CASE("stowage run prefers nerdctl, which gets the name that it takes") {
  Setup setup;
  setup.Install("ctr");
  setup.Install("nerdctl");
  const SubprocessResult run = setup.Stowage({"run", "-q", "nix/git/shell", "--", "--odd", "1"});
  CHECK(run.exit_code == 7);
  CHECK(run.standard_error.empty());
  CHECK(run.standard_output ==
        absl::StrCat("nerdctl\n--address\n", setup.containerd.address(),
                     "\n--namespace\ncli\n--snapshotter\nstowage\nrun\n--pull=never\n--odd\n1\n",
                     "nix.local/git/shell:latest\n"));
}

TEST_CASE("stowage pull of layers that the snapshotter does not know fails and names the reason") {
  Setup setup;
  setup.image = testing::SampleImage("unknown", "stowage");
  const SubprocessResult pull = setup.Stowage({"pull", "nix/shell/git"});
  CHECK(pull.exit_code == 1);
  CHECK(absl::StrContains(pull.standard_error, "[proxy_plugins.stowage]"));
  CHECK(setup.ImageNames().empty());
}

}  // namespace
}  // namespace stowage
