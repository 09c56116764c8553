#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/fuse_mount_source.h"
#include "nlohmann/json.hpp"
#include "plugin/setup/containerd_files.h"
#include "plugin/setup/containerd_version.h"
#include "plugin/setup/hosts_toml.h"

namespace stowage {

// What the checks judge, gathered by GatherFacts, and made up by tests. Defaults are those of a
// node on which nothing has been found out yet. Where a fact is optional, nothing means that it
// could not be found out, and no check judges it.

// containerd's side.
struct ContainerdFacts {
  std::optional<ContainerdVersion> version;
  std::string address;
  absl::Status reachable;  // of the daemon
  std::string config_path;
  // All settings with containerd's defaults (`containerd config dump`), or merged from the files
  // when that program cannot be asked.
  nlohmann::json config = nlohmann::json::object();
  absl::Status config_readable;
  std::vector<ContainerdFile> files;
  bool changed_since_start = false;  // a file is younger than the daemon
  absl::Status sees_mount;           // of stowage-fuse or stowaged, in the daemon's mount namespace
};

// A hosts.toml for one registry host, in the first directory of config_path that has one.
struct HostsFacts {
  std::string path;  // where it is, or where it should be
  bool exists = false;
  absl::Status readable;
  HostsFile file;
};

// stowaged's side, and the machine.
struct StowageFacts {
  absl::Status config_readable;
  absl::Status reachable;  // control socket
  std::string version;     // of the daemon; "" if not reachable
  std::string snapshotter_socket;
  absl::Status snapshotter_reachable;
  std::string endpoint;  // "http://127.0.0.1:5080"; "" if it is off
  absl::Status endpoint_reachable;
  std::string state_directory;
  std::string mountpoint;
  bool fuse_mounted = false;
  FuseMountSettings fuse;         // data "" if not known
  FuseMountSettings fuse_wanted;  // as configured; data may be "auto"
  std::string driver;             // what shows the store to new containers; "" if not known
  std::string driver_reason;      // as stowaged says it
  std::optional<int64_t> database_version;  // schema of stowage.db
};

// A directory that exists: its file system.
struct DirectoryFacts {
  bool exists = false;
  uint64_t device = 0;  // st_dev
};

struct MachineFacts {
  bool fuse_device = false;  // /dev/fuse
  int kernel_major = 0;      // 0: not known
  int kernel_minor = 0;
  std::optional<int64_t> mount_max;                   // sysctl fs.mount-max
  int64_t mounts = 0;                                 // in this mount namespace
  absl::Status id_mapping;                            // whether ids of images can be mapped
  absl::Status nix;                                   // whether `nix-store` runs
  std::string nix_version;                            // "2.8.0"; "" if not known
  std::string platform;                               // "linux/amd64"
  std::map<std::string, DirectoryFacts> directories;  // by path
};

struct NodeFacts {
  std::string name = "stowage";  // [proxy_plugins.NAME]
  ContainerdFacts containerd;
  std::map<std::string, HostsFacts> hosts;  // by registry host
  StowageFacts stowage;
  MachineFacts machine;

  // Tables of CRI in `containerd.config`.
  CriTables Cri() const;
  // The table [proxy_plugins.NAME]; nullptr if there is none.
  const nlohmann::json* ProxyPlugin() const;
  // CRI is not switched off.
  bool HasCri() const;
  // CRI pulls by containerd's transfer service: 2.1 and later, unless a setting forbids it.
  bool CriPullsByTransfer() const;
  std::string CriSnapshotter() const;
  // The directory that CRI takes as that of images on disk.
  std::string ImageDirectory() const;
};

}  // namespace stowage
