#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/setup/containerd_setup.h"

namespace stowage {

struct HostsPlanOptions {
  std::string certs_directory;
  std::string endpoint;
  // Directories, separated by ':', in which containerd has looked for hosts.toml files so far.
  std::string config_path;
  bool short_names = false;
};

struct HostsPlan {
  std::vector<FileChange> changes;
  std::vector<ManualChange> by_hand;
  std::vector<std::string> notes;
};

// Registry hosts whose names are ours alone: of `ctr`, which takes "nix" for a host, and of CRI and
// nerdctl, which need a dot in it.
inline constexpr const char* kOwnHosts[] = {"nix", "nix.local"};

// Whom containerd asks for names of docker.io where no file says otherwise.
inline constexpr char kDockerServer[] = "https://registry-1.docker.io";

// Where containerd looks for everything about a registry host: HOST or _default in the first of the
// directories (separated by ':') that has one of them; "" if none has (v2.1.9
// core/remotes/docker/config/hosts.go, HostDirFromRoot).
std::string FindHostsDirectory(absl::string_view directories, const std::string& host);

// CERTS/HOST/hosts.toml for our own hosts, and for docker.io with short_names. A file for our own
// hosts that could lead elsewhere is replaced; one for docker.io is only added to. Where docker.io
// has none, but a default or one in another directory, that is copied, since ours would hide it.
// Errors: the errno's code for files that cannot be read. Changes nothing. Thread-safe.
absl::StatusOr<HostsPlan> PlanHosts(const HostsPlanOptions& options);

}  // namespace stowage
