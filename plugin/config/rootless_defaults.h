#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/rootless.h"
#include "plugin/config/config.h"

namespace stowage {

// Config's defaults for the stowaged of an ordinary user. Pure.
//
// user: the name. GC roots are in Nix's gcroots/per-user/<user>, which belongs to the user where
// the store does; Nix's daemon makes it up to Nix 2.13, afterwards root has to. "": directly in
// gcroots.
Config RootlessDefaults(const RootlessPaths& paths, const std::string& user);

// Whether the directory for GC roots can be made and written.
// Errors: FailedPrecondition that says what to type, naming `user`.
absl::Status CheckGcRootsDirectory(const std::string& directory, const std::string& user);

}  // namespace stowage
