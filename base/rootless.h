#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// What an ordinary user's environment says; "" for a variable that is not there.
struct UserVariables {
  std::string home;               // HOME
  std::string config_home;        // XDG_CONFIG_HOME
  std::string data_home;          // XDG_DATA_HOME
  std::string runtime_directory;  // XDG_RUNTIME_DIR
};

// Where an ordinary user's Stowage keeps its files. Absolute.
struct RootlessPaths {
  std::string config_file;      // ~/.config/stowage/config.toml
  std::string state_directory;  // ~/.local/share/stowage
  // $XDG_RUNTIME_DIR/stowage, for sockets, as the variable says it: RootlessKit makes /run/user a
  // link to another place at each start, while containerd's configuration keeps a socket's name.
  std::string runtime_directory;
  std::string mount_directory;  // the same without links: mountinfo has none
};

// By the XDG Base Directory Specification: relative paths count as not given.
//
// Errors: FailedPrecondition naming the variable that is missing, or whose directory is not there
// or has a character that overlayfs takes for one of its own. Thread-safe.
absl::StatusOr<RootlessPaths> FindRootlessPaths(const UserVariables& variables);

// Whether `program` may mount as an ordinary user: as root of a user namespace.
//
// Errors: FailedPrecondition that says what to type. Thread-safe.
absl::Status CheckRootless(absl::string_view program);

}  // namespace stowage
