#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The parts of `ordinary layers : cap : skeleton : mask : /nix` that all views of a node share
// (docs/overlay-redirect.md). Each is written once below a directory of our own; the functions need
// CAP_MKNOD and CAP_SYS_ADMIN in the initial user namespace.

// A name for the directory by which skeletons reach the store: no image can know it.
// Errors: the system's, if it has no random numbers.
absl::StatusOr<std::string> MakeSecretName();
bool IsSecretName(absl::string_view name);

// `path` with a whiteout of `secret_name`, so that nothing above a skeleton can list the store.
absl::Status WriteCap(const std::string& path, const std::string& secret_name);

// `path` with the secret directory, which leads to `store_name` in the layer below, and with a
// whiteout for each name in `store_parent` and for that directory's own name.
//
// store_name: the store's name in store_parent, "store". Names that come later: HideNames.
absl::Status WriteMask(const std::string& path, const std::string& secret_name,
                       const std::string& store_parent, const std::string& store_name);

// Adds what is in `store_parent` now to the whiteouts; they count in running containers at once.
absl::Status HideNames(const std::string& mask, const std::string& store_parent);

}  // namespace stowage
