#include "plugin/cli/runner_flags.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"

namespace stowage {
namespace {

// The flags of `ctr run` (containerd 1.6 to 2.1) and `nerdctl run` (2.1). No flag takes a value in
// one and none in the other, so one table serves both.
constexpr absl::string_view kSwitches[] = {"--allow-new-privs",
                                           "--cni",
                                           "--detach",
                                           "--init",
                                           "--interactive",
                                           "--net-host",
                                           "--no-healthcheck",
                                           "--no-pivot",
                                           "--null-io",
                                           "--privileged",
                                           "--oom-kill-disable",
                                           "--read-only",
                                           "--remap-labels",
                                           "--rm",
                                           "--rootfs",
                                           "--runc-systemd-cgroup",
                                           "--seccomp",
                                           "--sig-proxy",
                                           "--tty"};
constexpr absl::string_view kShortSwitches = "dit";

constexpr absl::string_view kWithValue[] = {"--add-host",
                                            "--annotation",
                                            "--apparmor-default-profile",
                                            "--apparmor-profile",
                                            "--attach",
                                            "--blkio-weight",
                                            "--blkio-weight-device",
                                            "--cap-add",
                                            "--cap-drop",
                                            "--cgroup",
                                            "--cgroup-conf",
                                            "--cgroup-parent",
                                            "--cgroupns",
                                            "--cidfile",
                                            "--config",
                                            "--cpu-period",
                                            "--cpu-quota",
                                            "--cpu-rt-period",
                                            "--cpu-rt-runtime",
                                            "--cpu-shares",
                                            "--cpus",
                                            "--cpuset-cpus",
                                            "--cpuset-mems",
                                            "--cwd",
                                            "--detach-keys",
                                            "--device",
                                            "--device-read-bps",
                                            "--device-read-iops",
                                            "--device-write-bps",
                                            "--device-write-iops",
                                            "--dns",
                                            "--dns-opt",
                                            "--dns-option",
                                            "--dns-search",
                                            "--domainname",
                                            "--entrypoint",
                                            "--env",
                                            "--env-file",
                                            "--fifo-dir",
                                            "--gidmap",
                                            "--gpus",
                                            "--group-add",
                                            "--health-cmd",
                                            "--health-interval",
                                            "--health-retries",
                                            "--health-start-period",
                                            "--health-timeout",
                                            "--hostname",
                                            "--init-binary",
                                            "--ip",
                                            "--ip6",
                                            "--ipc",
                                            "--kernel-memory",
                                            "--label",
                                            "--label-file",
                                            "--log-driver",
                                            "--log-opt",
                                            "--log-uri",
                                            "--mac-address",
                                            "--memory",
                                            "--memory-limit",
                                            "--memory-reservation",
                                            "--memory-swap",
                                            "--memory-swappiness",
                                            "--mount",
                                            "--net",
                                            "--network",
                                            "--oom-score-adj",
                                            "--pid",
                                            "--pid-file",
                                            "--pidfile",
                                            "--pids-limit",
                                            "--platform",
                                            "--publish",
                                            "--rdt-class",
                                            "--restart",
                                            "--rootfs-propagation",
                                            "--runc-binary",
                                            "--runc-root",
                                            "--runtime",
                                            "--runtime-config-path",
                                            "--seccomp-profile",
                                            "--security-opt",
                                            "--shm-size",
                                            "--snapshotter-label",
                                            "--stop-signal",
                                            "--stop-timeout",
                                            "--sysctl",
                                            "--systemd",
                                            "--tmpfs",
                                            "--uidmap",
                                            "--ulimit",
                                            "--umask",
                                            "--user",
                                            "--userns",
                                            "--uts",
                                            "--volume",
                                            "--volumes-from",
                                            "--with-ns",
                                            "--workdir"};
constexpr absl::string_view kShortWithValue = "acelmpuvw";

template <size_t N>
bool Contains(const absl::string_view (&flags)[N], absl::string_view flag) {
  return std::find(std::begin(flags), std::end(flags), flag) != std::end(flags);
}

RunnerFlagKind ClassifyShort(absl::string_view letters) {
  const auto is_switch = [](char letter) { return absl::StrContains(kShortSwitches, letter); };
  if (std::all_of(letters.begin(), letters.end(), is_switch)) return RunnerFlagKind::kSwitch;
  if (absl::StrContains(kShortWithValue, letters[0])) {
    // "-p8080:80" has its value with it.
    return letters.size() == 1 ? RunnerFlagKind::kTakesValue : RunnerFlagKind::kSwitch;
  }
  return RunnerFlagKind::kUnknown;
}

}  // namespace

RunnerFlagKind ClassifyRunnerFlag(absl::string_view flag) {
  if (!absl::StartsWith(flag, "--"))
    return flag.size() > 1 ? ClassifyShort(flag.substr(1)) : RunnerFlagKind::kUnknown;
  if (Contains(kSwitches, flag)) return RunnerFlagKind::kSwitch;
  return Contains(kWithValue, flag) ? RunnerFlagKind::kTakesValue : RunnerFlagKind::kUnknown;
}

}  // namespace stowage
