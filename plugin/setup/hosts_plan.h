#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/setup/containerd_setup.h"

namespace stowage {

struct HostsPlanOptions {
  std::string certs_directory;
  std::string endpoint;
  bool short_names = false;
};

struct HostsPlan {
  std::vector<FileChange> changes;
  std::vector<ManualChange> by_hand;
};

// Registry hosts whose names are ours alone: of `ctr`, which takes "nix" for a host, and of CRI and
// nerdctl, which need a dot in it.
inline constexpr const char* kOwnHosts[] = {"nix", "nix.local"};

// CERTS/HOST/hosts.toml for our own hosts, and for docker.io with short_names. A file for our own
// hosts that could lead elsewhere is replaced; one for docker.io is only added to.
// Errors: the errno's code for files that cannot be read. Changes nothing. Thread-safe.
absl::StatusOr<HostsPlan> PlanHosts(const HostsPlanOptions& options);

}  // namespace stowage
