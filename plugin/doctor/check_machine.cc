// Kernel, devices and Nix.
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "plugin/doctor/checks.h"

namespace stowage {
namespace {

constexpr std::pair<int, int> kOldestNix = {2, 8};  // docs/dependencies.md

// Promises that need a younger kernel than Debian 12's.
struct KernelPromise {
  const char* id;
  std::pair<int, int> since;
  const char* without;
  absl::string_view driver;  // that makes it, or "" for all
};
constexpr KernelPromise kPromises[] = {
    {"kernel-idmap",
     {6, 12},
     "FUSE cannot map ids: for containers in user namespaces (hostUsers: false) containerd has to "
     "copy all files of their images",
     "fuse"},
    {"kernel-idmap",
     {5, 19},
     "overlayfs cannot map ids: for containers in user namespaces containerd has to copy all files "
     "of their images",
     "overlay"},
    {"kernel-user-namespaces", {6, 3}, "kubelet refuses user namespaces (hostUsers: false)", ""},
};

std::vector<Finding> CheckKernel(const NodeFacts& facts) {
  const MachineFacts& machine = facts.machine;
  std::vector<Finding> findings;
  if (machine.kernel_major == 0) return findings;
  const absl::string_view driver = facts.stowage.driver == "overlay" ? "overlay" : "fuse";
  for (const KernelPromise& promise : kPromises)
    if ((promise.driver.empty() || promise.driver == driver) &&
        std::pair(machine.kernel_major, machine.kernel_minor) < promise.since)
      findings.push_back({promise.id, Severity::kNote,
                          absl::StrCat("Linux ", machine.kernel_major, ".", machine.kernel_minor,
                                       " is older than ", promise.since.first, ".",
                                       promise.since.second, ": ", promise.without),
                          ""});
  return findings;
}

std::vector<Finding> CheckNix(const MachineFacts& machine) {
  if (!machine.nix.ok())
    return {{"nix-missing", Severity::kError, std::string(machine.nix.message()),
             "install Nix, or name its directory as nix.program_directory"}};
  const std::vector<std::string> parts = absl::StrSplit(machine.nix_version, '.');
  int major = 0;
  int minor = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &major) ||
      !absl::SimpleAtoi(parts[1], &minor) || std::pair(major, minor) >= kOldestNix)
    return {};
  return {{"nix-too-old", Severity::kError,
           absl::StrCat("Nix is ", machine.nix_version, "; Stowage needs ", kOldestNix.first, ".",
                        kOldestNix.second),
           "install a later Nix"}};
}

std::vector<Finding> CheckMountLimit(const MachineFacts& machine) {
  if (!machine.mount_max || machine.mounts * 2 <= *machine.mount_max) return {};
  return {{"mount-max", Severity::kWarning,
           absl::StrCat(machine.mounts, " of fs.mount-max = ", *machine.mount_max,
                        " mounts are in use; each container takes one, and at the limit none "
                        "starts any more"),
           absl::StrCat("sysctl -w fs.mount-max=", *machine.mount_max * 4)}};
}

}  // namespace

std::vector<Finding> CheckMachine(const NodeFacts& facts) {
  std::vector<Finding> findings;
  if (!facts.machine.fuse_device)
    findings.push_back({"fuse-device", Severity::kError,
                        "/dev/fuse is not there: stowage-fuse cannot mount", "modprobe fuse"});
  for (Finding& finding : CheckNix(facts.machine)) findings.push_back(std::move(finding));
  for (Finding& finding : CheckMountLimit(facts.machine)) findings.push_back(std::move(finding));
  for (Finding& finding : CheckKernel(facts)) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace stowage
