#include "plugin/doctor/gather_containerd.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "plugin/containerd/unix_socket.h"
#include "plugin/setup/hosts_plan.h"
#include "plugin/snapshots/peer_mounts.h"

namespace stowage {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr char kDefaultConfig[] = "/etc/containerd/config.toml";

// The value of --config or -c among a process's arguments.
std::string ConfigOption(pid_t process) {
  const auto text = ReadFile(absl::StrCat("/proc/", process, "/cmdline"));
  if (!text.ok()) return "";
  const std::vector<std::string> words = absl::StrSplit(*text, '\0');
  for (size_t i = 0; i < words.size(); ++i) {
    for (const absl::string_view flag : {"--config", "-config", "--c", "-c"}) {
      if (words[i] == flag && i + 1 < words.size()) return words[i + 1];
      absl::string_view rest = words[i];
      if (absl::ConsumePrefix(&rest, flag) && absl::ConsumePrefix(&rest, "="))
        return std::string(rest);
    }
  }
  return "";
}

// When a process was started; to the second, as /proc/stat tells the time of the boot.
absl::Time StartOf(pid_t process) {
  const auto stat = ReadFile(absl::StrCat("/proc/", process, "/stat"));
  const auto system = ReadFile("/proc/stat");
  if (!stat.ok() || !system.ok()) return absl::InfiniteFuture();
  // proc(5): the name stands in parentheses and may hold anything; starttime is field 22.
  constexpr size_t kStartTimeAfterName = 19;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*stat).substr(stat->rfind(')') + 2), ' ');
  int64_t ticks = 0;
  int64_t boot = 0;
  for (const absl::string_view line : absl::StrSplit(*system, '\n')) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "btime ")) (void)absl::SimpleAtoi(rest, &boot);
  }
  if (boot == 0 || fields.size() <= kStartTimeAfterName ||
      !absl::SimpleAtoi(fields[kStartTimeAfterName], &ticks))
    return absl::InfiniteFuture();
  return absl::FromUnixSeconds(boot + ticks / ::sysconf(_SC_CLK_TCK));
}

bool ChangedSince(const std::vector<ContainerdFile>& files, absl::Time start) {
  constexpr absl::Duration kClockError = absl::Seconds(2);
  return std::any_of(files.begin(), files.end(), [&](const ContainerdFile& file) {
    struct stat status = {};
    return ::stat(file.path.c_str(), &status) == 0 &&
           absl::TimeFromTimespec(status.st_mtim) > start + kClockError;
  });
}

// Last line that a failed program has written.
std::string LastLine(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  return lines.empty() ? "no message" : std::string(lines.back());
}

// All settings with their defaults. Errors: InvalidArgument for a file that containerd refuses,
// NotFound if the program is not there.
absl::StatusOr<nlohmann::json> DumpConfig(const std::string& program, const std::string& path) {
  SubprocessOptions options;
  options.argv = {program, "config", "default"};
  if (std::filesystem::exists(path)) options.argv = {program, "-c", path, "config", "dump"};
  options.deadline = absl::Now() + kTimeout;
  const auto result = RunSubprocess(options);
  if (!result.ok()) return result.status();
  if (result->exit_code != 0)
    return absl::InvalidArgumentError(
        absl::StrCat("containerd refuses it: ", LastLine(result->standard_error)));
  return ParseToml(result->standard_output, "containerd config dump");
}

void ReadConfig(const std::string& program, ContainerdFacts& facts) {
  auto files = ReadContainerdFiles(facts.config_path);
  if (files.ok()) facts.files = *std::move(files);
  auto dump = DumpConfig(program, facts.config_path);
  if (dump.ok()) {
    facts.config = *std::move(dump);
  } else if (absl::IsInvalidArgument(dump.status())) {
    facts.config_readable = dump.status();
  } else if (!files.ok()) {
    facts.config_readable = files.status();
  } else {
    const bool version_3 = !facts.files.empty() && facts.files[0].ConfigVersion() > 2;
    facts.config = MergeContainerdFiles(
        facts.files, facts.version.value_or(version_3 ? ContainerdVersion{2, 0, 0}
                                                      : ContainerdVersion{1, 7, 0}));
  }
}

}  // namespace

std::string ContainerdProgram(const ucred& peer) {
  const std::string in_path = "containerd";
  if (peer.pid == 0 || peer.uid != 0) return in_path;
  const std::string process = absl::StrCat("/proc/", peer.pid);
  const auto theirs = ReadLinkAt(AT_FDCWD, process + "/ns/mnt");
  const auto ours = ReadLinkAt(AT_FDCWD, "/proc/self/ns/mnt");
  const auto program = ReadLinkAt(AT_FDCWD, process + "/exe");
  if (!theirs.ok() || !ours.ok() || *theirs != *ours || !program.ok() ||
      std::filesystem::path(*program).filename() != "containerd")
    return in_path;
  struct stat status = {};
  const bool of_root = ::lstat(program->c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
                       status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return of_root ? *program : in_path;
}

ContainerdFacts GatherContainerd(const std::string& address, const std::string& config_path,
                                 const std::string& mountpoint,
                                 const std::string& file_system_type) {
  ContainerdFacts facts;
  facts.address = address;
  const auto socket = UnixSocketPath(address);
  const auto peer = socket.ok() ? PeerOfUnixSocket(*socket) : socket.status();
  facts.reachable = peer.status();
  const pid_t process = peer.ok() ? peer->pid : 0;
  facts.config_path = config_path;
  if (facts.config_path.empty() && process != 0) facts.config_path = ConfigOption(process);
  if (facts.config_path.empty()) facts.config_path = kDefaultConfig;
  const std::string program = peer.ok() ? ContainerdProgram(*peer) : "containerd";
  if (const auto version = FindContainerdVersion(address, program); version.ok())
    facts.version = *version;
  ReadConfig(program, facts);
  if (process != 0) {
    facts.changed_since_start = ChangedSince(facts.files, StartOf(process));
    facts.sees_mount = CheckPeerSees(process, mountpoint, file_system_type);
  }
  return facts;
}

HostsFacts GatherHosts(const std::string& directories, const std::string& host) {
  HostsFacts facts;
  const std::vector<std::string> roots = absl::StrSplit(directories, ':', absl::SkipEmpty());
  std::string directory = FindHostsDirectory(directories, host);
  if (directory.empty() && !roots.empty()) directory = absl::StrCat(roots[0], "/", host);
  facts.path = directory + "/hosts.toml";
  const auto text = ReadFile(facts.path);
  facts.exists = !absl::IsNotFound(text.status());
  const auto file = text.ok() ? ParseHostsFile(*text, facts.path) : text.status();
  if (file.ok()) {
    facts.file = *file;
  } else if (facts.exists) {
    facts.readable = file.status();
  }
  return facts;
}

}  // namespace stowage
