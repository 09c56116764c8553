// What `stowage setup containerd` writes, read by real daemons: `containerd config dump` shows our
// settings and, besides them, exactly what it showed before. Registered as an integration test.
// Uses the containerd in PATH, and those in the directories of STOWAGE_TEST_CONTAINERD (separated
// by ':') that are there.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/subprocess.h"
#include "plugin/setup/apply_changes.h"
#include "plugin/setup/containerd_files.h"
#include "tests/plugin/setup/etc_directory.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

using nlohmann::json;
using testing::EtcDirectory;

constexpr char kConfig[] = "/etc/containerd/config.toml";

std::string Output(const std::vector<std::string>& argv) {
  SubprocessOptions options;
  options.argv = argv;
  options.deadline = absl::Now() + absl::Seconds(60);
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  INFO(result->standard_error);
  REQUIRE(result->exit_code == 0);
  return result->standard_output;
}

std::vector<std::string> Programs() {
  SubprocessOptions options;
  options.argv = {"containerd", "--version"};
  if (!RunSubprocess(options).ok()) {
    std::puts("skipped: needs containerd");
    std::exit(77);
  }
  std::vector<std::string> programs = {"containerd"};
  const char* const directories = std::getenv("STOWAGE_TEST_CONTAINERD");
  for (const absl::string_view directory :
       absl::StrSplit(directories == nullptr ? "" : directories, ':', absl::SkipEmpty()))
    if (std::filesystem::exists(absl::StrCat(directory, "/containerd")))
      programs.push_back(absl::StrCat(directory, "/containerd"));
  return programs;
}

const std::vector<std::string> kPrograms = Programs();

// `containerd --version` prints "containerd PACKAGE VERSION REVISION".
std::string VersionOf(const std::string& program) {
  const std::vector<std::string> words = absl::StrSplit(Output({program, "--version"}), ' ');
  REQUIRE(words.size() > 2);
  return words[2];
}

json Dump(const std::string& program, const std::string& config) {
  auto values = ParseToml(Output({program, "-c", config, "config", "dump"}), "dump");
  REQUIRE_OK(values);
  return *std::move(values);
}

// Takes a value out, and the tables that hold nothing else.
void Remove(json& values, const TomlPath& path, size_t depth = 0) {
  const auto found = values.find(path[depth]);
  if (found == values.end()) return;
  if (depth + 1 < path.size()) Remove(*found, path, depth + 1);
  if (depth + 1 == path.size() || found->empty()) values.erase(found);
}

std::string StartConfig(const std::string& program, const std::string& name) {
  if (name == "default") return Output({program, "config", "default"});
  const auto text = ReadFile(absl::StrCat(STOWAGE_GOLDEN_DIRECTORY, "/", name, ".toml"));
  REQUIRE_OK(text);
  return *text;
}

void CheckUnpackConfig(const json& values) {
  const json* const entries = FindIn(values, UnpackConfigPath());
  REQUIRE(entries != nullptr);
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0]["snapshotter"] == "overlayfs");
  CHECK((*entries)[1]["snapshotter"] == "stowage");
  CHECK((*entries)[1]["platform"] == "linux/amd64");
}

TEST_CASE("containerd takes what setup writes, and keeps the rest") {
  const std::string program = GENERATE(from_range(kPrograms));
  const std::string start =
      GENERATE(as<std::string>(), "default", "debian", "kubeadm", "version-3");
  const std::string version_text = VersionOf(program);
  const EtcDirectory etc;
  const ContainerdSetupOptions options = etc.Options(version_text);
  if (start == "version-3" && options.version.major < 2) return;
  INFO(program << " " << version_text << ", beginning with " << start);
  etc.Write(kConfig, StartConfig(program, start));
  json before = Dump(program, options.config_path);

  const auto plan = PlanContainerdSetup(options);
  REQUIRE_OK(plan);
  CHECK(plan->by_hand.empty());
  CHECK(plan->notes.empty());
  REQUIRE_OK(ApplyChanges(plan->changes));
  json after = Dump(program, options.config_path);

  const CriTables cri = CriTables::Of(options.version.ConfigVersion());
  const TomlPath proxy = {"proxy_plugins", "stowage"};
  CHECK(after[proxy[0]][proxy[1]]["type"] == "snapshot");
  CHECK(after[proxy[0]][proxy[1]]["address"] == "/run/stowage/snapshotter.sock");
  if (options.version.HasExports())
    CHECK(after[proxy[0]][proxy[1]]["exports"]["root"] == "/var/lib/stowage");
  TomlPath snapshotter = cri.containerd;
  snapshotter.push_back("snapshotter");
  CHECK(StringIn(after, snapshotter, "") == "stowage");
  TomlPath config_path = cri.registry;
  config_path.push_back("config_path");
  CHECK(StringIn(after, config_path, "") == options.certs_directory);
  if (options.version.HasTransferUnpack()) CheckUnpackConfig(after);

  std::vector<TomlPath> ours = {proxy, snapshotter, config_path, {"imports"}};
  if (options.version.HasTransferUnpack()) ours.push_back(UnpackConfigPath());
  for (const TomlPath& path : ours) {
    Remove(before, path);
    Remove(after, path);
  }
  CHECK(json::diff(before, after) == json::array());
}

TEST_CASE("containerd takes the files that setup makes where there are none") {
  const std::string program = GENERATE(from_range(kPrograms));
  const std::string version_text = VersionOf(program);
  const EtcDirectory etc;
  const ContainerdSetupOptions options = etc.Options(version_text);
  const auto plan = PlanContainerdSetup(options);
  REQUIRE_OK(plan);
  REQUIRE_OK(ApplyChanges(plan->changes));
  const json after = Dump(program, options.config_path);
  INFO(program << " " << version_text);
  CHECK(StringIn(after, {"proxy_plugins", "stowage", "address"}, "") == options.socket);
}

}  // namespace
}  // namespace stowage
