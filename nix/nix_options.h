#pragma once

#include <string>
#include <vector>

namespace stowage {

// How the Nix on this machine is reached.
struct NixOptions {
  // Directory of nix-instantiate and nix-store; "" finds them in PATH.
  std::string program_directory;
  // "NAME=VALUE" each, given to every Nix call as --option, as in "max-jobs=2".
  std::vector<std::string> extra_settings;
  // Where Nix keeps its database and roots.
  std::string state_directory = "/nix/var/nix";
  // An existing directory of the caller's own: home directory of the Nix processes, so that no
  // user's files (~/.config/nix, ~/.nix-defexpr) change a result.
  std::string work_directory = "/";
  // A JSON object of more arguments for the package set's function, as in
  // {"config": {"allowUnfree": true}}; "system" is added by the evaluation.
  std::string set_arguments = "{}";
};

}  // namespace stowage
