#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "layering/layer_plan.h"
#include "nix/nix_options.h"
#include "nix/package_source.h"
#include "plugin/snapshots/view_driver.h"

namespace stowage {

// Everything that /etc/stowage/config.toml can say, with its defaults. docs/configuration.md
// explains each key.
struct Config {
  // [paths]
  std::string state_directory = "/var/lib/stowage";
  std::string gc_roots_directory = "/nix/var/nix/gcroots/stowage";

  // [control], [snapshotter], [registry]: "" switches the service off
  std::string control_socket = "/run/stowage/control.sock";
  std::string snapshotter_socket = "/run/stowage/snapshotter.sock";
  DriverChoice driver = DriverChoice::kFuse;
  std::string registry_address = "127.0.0.1:5080";  // host:port; port 0 takes a free one

  // [fuse]
  std::string fuse_mountpoint = "/run/stowage/fs";
  // Read by stowage-fuse (fuse/fuse_config.h).
  std::string fuse_data = "cached";  // "passthrough", "auto"
  bool fuse_extended_attributes = true;
  std::string fuse_selinux_context;  // "": none

  // [overlay]
  std::string overlay_directory = "/run/stowage/overlay";

  // [source]
  PackageSourceOptions source;

  // [packages]: added to every image where the set has them; what the meta-package `shell` stands
  // for
  std::vector<std::string> always = {"cacert", "iana-etc"};
  std::vector<std::string> shell = {"bashInteractive", "coreutils", "moreutils", "nano"};

  // [layering]
  LayerPlanOptions layering;

  // [nix]
  NixOptions nix;
  absl::Duration evaluation_timeout = absl::Minutes(5);
  absl::Duration build_timeout = absl::Hours(2);
  int concurrent_resolves = 4;

  // [images]
  absl::Duration tag_lifetime = absl::Seconds(60);
  absl::Duration hold = absl::Hours(1);
  bool lazy = false;
  absl::Duration fetch_timeout = absl::Minutes(15);
  std::string record_source;  // URL of another Stowage; "" for none
  std::string record_ca_file;
  std::string record_credentials_file;

  // [log]
  std::string log_level = "info";
};

// Reads a configuration text.
//
// text: TOML 1.0. name: file name for messages. defaults: of the keys that it does not have.
// Errors: InvalidArgument with file, line and column for a syntax error, an unknown key (names
// those that exist), a wrong type or a value out of range.
absl::StatusOr<Config> ParseConfig(absl::string_view text, absl::string_view name,
                                   const Config& defaults = Config());

// Reads the file. Errors: as ParseConfig; NotFound if it is not there.
absl::StatusOr<Config> LoadConfig(const std::string& path, const Config& defaults = Config());

}  // namespace stowage
