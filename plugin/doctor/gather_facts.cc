#include "plugin/doctor/gather_facts.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/fuse_mount_source.h"
#include "base/mount_info.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "nix/http_get.h"
#include "nix/nix_process.h"
#include "plugin/containerd/unix_socket.h"
#include "plugin/doctor/gather_containerd.h"
#include "plugin/setup/hosts_plan.h"
#include "plugin/setup/stowage_settings.h"
#include "plugin/snapshots/id_mapped_clone.h"

namespace stowage {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);

// distribution-spec, "Determining Support": 200, or 401 where one has to log in.
absl::Status CheckEndpoint(const std::string& endpoint) {
  CallLimits limits;
  limits.deadline = absl::Now() + kTimeout;
  HttpGetOptions options;
  options.direct = true;  // containerd asks it without a proxy, too
  STOWAGE_ASSIGN_OR_RETURN(const HttpGetResult response,
                           HttpGet(endpoint + "/v2/", options, limits));
  if (response.status == 200 || response.status == 401) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("GET ", endpoint, "/v2/: status ", response.status, ", so it is no registry"));
}

std::optional<int64_t> DatabaseVersion(const std::string& path) {
  SqliteOpenOptions options;
  options.read_only = true;
  auto database = SqliteDatabase::Open(path, options);
  if (!database.ok()) return std::nullopt;
  auto statement = database->Prepare("PRAGMA user_version");
  if (!statement.ok()) return std::nullopt;
  const auto row = statement->Step();
  if (!row.ok() || !*row) return std::nullopt;
  return statement->ColumnInt64(0);
}

FuseMountSettings SettingsOf(const GatherOptions& options, const std::string& mountpoint) {
  if (options.stowaged.ok())
    return {options.stowaged->fuse_data(), !options.stowaged->fuse_without_extended_attributes()};
  const auto mounts = ReadFile("/proc/self/mountinfo");
  if (!mounts.ok()) return {};
  return FuseMountSettingsAt(ParseMountInfo(*mounts), mountpoint);
}

StowageFacts GatherStowage(const GatherOptions& options, Config& config) {
  StowageFacts facts;
  const auto settings = ReadStowageSettings(options.stowage_config, options.stowage_defaults);
  facts.config_readable = settings.status();
  if (settings.ok()) config = settings->config;
  facts.reachable = options.stowaged.status();
  facts.snapshotter_socket = config.snapshotter_socket;
  facts.mountpoint = config.fuse_mountpoint;
  facts.state_directory = config.state_directory;
  if (config.driver == DriverChoice::kOverlay) {
    facts.driver = ViewDriverName(ViewDriver::kOverlay);
    facts.driver_reason = "configured";
  }
  std::string registry_address = config.registry_address;
  // What runs counts more than what a file says.
  if (options.stowaged.ok()) {
    facts.version = options.stowaged->version();
    facts.snapshotter_socket = options.stowaged->snapshotter_socket();
    facts.mountpoint = options.stowaged->fuse_mountpoint();
    registry_address = options.stowaged->registry_address();
    facts.driver = options.stowaged->driver();
    facts.driver_reason = options.stowaged->driver_reason();
  }
  facts.endpoint = EndpointOf(registry_address);
  if (!facts.endpoint.empty()) facts.endpoint_reachable = CheckEndpoint(facts.endpoint);
  if (!facts.snapshotter_socket.empty())
    facts.snapshotter_reachable = ProbeUnixSocket(facts.snapshotter_socket);
  facts.fuse_wanted = {config.fuse_data, config.fuse_extended_attributes};
  facts.fuse = SettingsOf(options, facts.mountpoint);
  facts.fuse_mounted =
      options.stowaged.ok() ? options.stowaged->fuse_mounted() : !facts.fuse.data.empty();
  facts.database_version = DatabaseVersion(facts.state_directory + "/stowage.db");
  return facts;
}

// `nix-store --version` prints "nix-store (Nix) 2.8.0".
void GatherNix(const NixOptions& options, MachineFacts& facts) {
  CallLimits limits;
  limits.deadline = absl::Now() + kTimeout;
  NixCall call;
  call.program = "nix-store";
  call.arguments = {"--version"};
  NixOptions alone = options;
  alone.work_directory = "/";  // need not exist yet
  const auto result = RunNix(alone, call, limits);
  facts.nix = result.status();
  if (!result.ok()) return;
  const std::vector<std::string> words =
      absl::StrSplit(result->standard_output, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  if (!words.empty()) facts.nix_version = words.back();
}

void GatherKernel(MachineFacts& facts) {
  utsname names = {};
  (void)::uname(&names);  // fails for a bad pointer only
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(names.release), absl::ByAnyChar(".-"));
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &facts.kernel_major) ||
      !absl::SimpleAtoi(parts[1], &facts.kernel_minor))
    facts.kernel_major = 0;
}

void GatherMounts(MachineFacts& facts) {
  int64_t most = 0;
  const auto text = ReadFile("/proc/sys/fs/mount-max");
  if (text.ok() && absl::SimpleAtoi(*text, &most)) facts.mount_max = most;
  const auto mounts = ReadFile("/proc/self/mountinfo");
  if (mounts.ok()) facts.mounts = static_cast<int64_t>(ParseMountInfo(*mounts).size());
}

void GatherDirectory(const std::string& path, MachineFacts& facts) {
  struct stat status = {};
  DirectoryFacts& directory = facts.directories[path];
  directory.exists = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  directory.device = status.st_dev;
}

void GatherAllHosts(NodeFacts& facts) {
  TomlPath config_path = facts.Cri().registry;
  config_path.push_back("config_path");
  std::string directories = StringIn(facts.containerd.config, config_path, "");
  // That of nerdctl, and of CRI once config_path is set.
  if (directories.empty()) directories = kDefaultCertsDirectory;
  for (const char* host : kOwnHosts) facts.hosts[host] = GatherHosts(directories, host);
  facts.hosts["docker.io"] = GatherHosts(directories, "docker.io");
}

}  // namespace

NodeFacts GatherFacts(const GatherOptions& options) {
  NodeFacts facts;
  facts.name = options.name;
  Config config = options.stowage_defaults;
  facts.stowage = GatherStowage(options, config);
  const bool by_fuse = facts.stowage.driver != "overlay";
  facts.containerd =
      GatherContainerd(options.containerd_address, options.containerd_config,
                       by_fuse ? facts.stowage.mountpoint : config.overlay_directory + "/lower",
                       by_fuse ? "fuse" : "");
  // Otherwise nobody knows where containerd looks for them.
  if (facts.containerd.config_readable.ok()) GatherAllHosts(facts);

  struct stat status = {};
  facts.machine.fuse_device = ::stat("/dev/fuse", &status) == 0 && S_ISCHR(status.st_mode);
  facts.machine.platform = options.platform;
  GatherKernel(facts.machine);
  GatherMounts(facts.machine);
  facts.machine.id_mapping =
      CheckIdMapping(facts.stowage.state_directory, by_fuse ? facts.stowage.mountpoint : "");
  GatherNix(config.nix, facts.machine);
  for (const std::string& path :
       {facts.stowage.state_directory, facts.ImageDirectory(), std::string("/nix/store")})
    GatherDirectory(path, facts.machine);
  return facts;
}

}  // namespace stowage
