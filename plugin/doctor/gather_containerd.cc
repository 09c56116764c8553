#include "plugin/doctor/gather_containerd.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "plugin/containerd/unix_socket.h"
#include "plugin/snapshots/peer_mounts.h"

namespace stowage {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr char kDefaultConfig[] = "/etc/containerd/config.toml";

// The process that listens on a socket; 0 if nobody does.
pid_t ListenerOf(const std::string& path) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (!socket || path.size() >= sizeof(address.sun_path)) return 0;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return 0;
  return peer.pid;
}

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

ContainerdFacts GatherContainerd(const std::string& address, const std::string& config_path,
                                 const std::string& mountpoint) {
  ContainerdFacts facts;
  facts.address = address;
  const auto socket = UnixSocketPath(address);
  facts.reachable = socket.ok() ? ProbeUnixSocket(*socket) : socket.status();
  const pid_t process = facts.reachable.ok() ? ListenerOf(*socket) : 0;
  facts.config_path = config_path;
  if (facts.config_path.empty() && process != 0) facts.config_path = ConfigOption(process);
  if (facts.config_path.empty()) facts.config_path = kDefaultConfig;
  // That of the daemon, which need not be the one in PATH.
  std::string program = "containerd";
  if (process != 0)
    program = ReadLinkAt(AT_FDCWD, absl::StrCat("/proc/", process, "/exe")).value_or(program);
  if (const auto version = FindContainerdVersion(address, program); version.ok())
    facts.version = *version;
  ReadConfig(program, facts);
  if (process != 0) {
    facts.changed_since_start = ChangedSince(facts.files, StartOf(process));
    facts.sees_mount = CheckPeerSees(process, mountpoint);
  }
  return facts;
}

HostsFacts GatherHosts(const std::string& directories, const std::string& host) {
  HostsFacts facts;
  for (const absl::string_view directory : absl::StrSplit(directories, ':', absl::SkipEmpty())) {
    if (facts.path.empty()) facts.path = absl::StrCat(directory, "/", host, "/hosts.toml");
    std::string found;
    for (const std::string& name : {host, std::string("_default")})
      if (found.empty() && DirectoryExists(absl::StrCat(directory, "/", name)))
        found = absl::StrCat(directory, "/", name, "/hosts.toml");
    if (found.empty()) continue;
    facts.path = found;
    const auto text = ReadFile(found);
    facts.exists = !absl::IsNotFound(text.status());
    const auto file = text.ok() ? ParseHostsFile(*text, found) : text.status();
    if (file.ok()) {
      facts.file = *file;
    } else {
      facts.readable = file.status();
    }
    break;
  }
  return facts;
}

}  // namespace stowage
