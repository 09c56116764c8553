#include "layering/profile.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/profile_defaults.h"
#include "layering/profile_forest.h"
#include "layering/store_links.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

// A second name for what a package has, where nothing has that name.
absl::Status AddAlias(ProfileForest& forest, absl::string_view alias, absl::string_view of) {
  STOWAGE_ASSIGN_OR_RETURN(const bool exists, forest.Exists(of));
  const std::string target = forest.LinkTarget(of);
  if (!exists || target.empty()) return absl::OkStatus();
  return forest.PutSymlink(alias, target);
}

absl::Status AddDefaults(ProfileForest& forest) {
  for (const auto& [path, mode] : kProfileDirectories)
    STOWAGE_RETURN_IF_ERROR(forest.PutDirectory(path, mode).status());
  for (const auto& [path, content] : kProfileFiles)
    STOWAGE_RETURN_IF_ERROR(forest.PutFile(path, content));
  STOWAGE_RETURN_IF_ERROR(AddAlias(forest, "bin/sh", "bin/bash"));
  STOWAGE_RETURN_IF_ERROR(
      AddAlias(forest, "etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-bundle.crt"));
  STOWAGE_ASSIGN_OR_RETURN(const bool has_env, forest.Exists("bin/env"));
  if (!has_env) return absl::OkStatus();
  return forest.PutSymlink("usr/bin/env", "/bin/env");
}

}  // namespace

absl::StatusOr<Profile> ComposeProfile(const ProfileOptions& options) {
  for (const std::string& base_name : options.packages)
    if (const auto path = StorePath::FromBaseName(base_name); !path.ok())
      return Annotate(path.status(), "compose a profile");
  STOWAGE_ASSIGN_OR_RETURN(const StoreLinks store, StoreLinks::Open(options.store_directory));
  ProfileForest forest(store);
  STOWAGE_RETURN_IF_ERROR(forest.AddPackages(options.packages));
  STOWAGE_RETURN_IF_ERROR(AddDefaults(forest));
  Profile profile = {forest.Entries(), forest.conflicts(), Sha256("")};
  profile.key = Sha256(EncodeProfile(profile));
  return profile;
}

}  // namespace stowage
