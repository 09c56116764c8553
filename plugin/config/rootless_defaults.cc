#include "plugin/config/rootless_defaults.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/directory.h"

namespace stowage {

Config RootlessDefaults(const RootlessPaths& paths, const std::string& user) {
  Config config;
  config.state_directory = paths.state_directory;
  config.control_socket = paths.runtime_directory + "/control.sock";
  config.snapshotter_socket = paths.runtime_directory + "/snapshotter.sock";
  config.fuse_mountpoint = paths.mount_directory + "/fs";
  config.overlay_directory = paths.mount_directory + "/overlay";
  if (!user.empty())
    config.gc_roots_directory = absl::StrCat("/nix/var/nix/gcroots/per-user/", user, "/stowage");
  return config;
}

absl::Status CheckGcRootsDirectory(const std::string& directory, const std::string& user) {
  const absl::Status made = MakeDirectories(directory);
  if (made.ok() && ::access(directory.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "GC roots: this user cannot write ", directory, made.ok() ? "" : ": ", made.message(),
      "; without roots Nix deletes the store paths of images. Type: sudo install -d -o ",
      user.empty() ? "USER" : user, " ", directory,
      " (or name another directory below Nix's gcroots as paths.gc_roots)"));
}

}  // namespace stowage
