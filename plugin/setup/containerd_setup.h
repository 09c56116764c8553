#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plugin/setup/containerd_version.h"

namespace stowage {

struct ContainerdSetupOptions {
  ContainerdVersion version;
  std::string config_path = "/etc/containerd/config.toml";
  // Where hosts.toml files go. "": where the configuration says, else /etc/containerd/certs.d.
  std::string certs_directory;
  std::string name = "stowage";  // [proxy_plugins.NAME]
  std::string socket = "/run/stowage/snapshotter.sock";
  std::string state_directory = "/var/lib/stowage";
  std::string endpoint = "http://127.0.0.1:5080";
  std::string platform = "linux/amd64";
  bool remap_ids = true;     // the kernel can map the ids of images (CheckIdMapping)
  bool short_names = false;  // also route docker.io's names to the endpoint
};

// A file to write.
struct FileChange {
  std::string path;
  bool exists = false;
  std::string old_text;
  std::string new_text;
};

// What a person has to do, since the file must not or cannot be edited.
struct ManualChange {
  std::string path;
  std::string reason;
  std::string lines;  // to add; "" if it is not about adding
};

struct ContainerdSetupPlan {
  std::vector<FileChange>
      changes;  // in the order in which they are to be made; empty: all is right
  std::vector<ManualChange> by_hand;
  std::vector<std::string> notes;  // what was left or changed, and what that means
  std::string certs_directory;     // in which the hosts.toml files are
};

// Compares containerd's configuration on disk with what Stowage needs.
//
// New settings go to a file of our own, conf.d/NAME.toml beside config.toml, which `imports` names.
// Where that file would hide a table of another file, since containerd replaces it as a whole, the
// settings go to the other file. The result is checked by merging all files as containerd does.
//
// Errors: InvalidArgument for an unsupported version; the errno's code for files that cannot be
// read. Changes nothing. Thread-safe.
absl::StatusOr<ContainerdSetupPlan> PlanContainerdSetup(const ContainerdSetupOptions& options);

// Why a file must not be edited by us: it is a symbolic link, or says so itself. "" if it may be.
std::string ReasonNotToEdit(const std::string& path, const std::string& text);

}  // namespace stowage
