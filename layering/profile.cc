#include "layering/profile.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/profile_forest.h"
#include "layering/store_links.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

constexpr absl::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
constexpr absl::string_view kGroup =
    "root:x:0:\n"
    "nobody:x:65534:\n"
    "nogroup:x:65534:\n";
constexpr absl::string_view kNameServiceSwitch = "hosts: files dns\n";

absl::Status AddDirectories(ProfileForest& forest) {
  struct Directory {
    absl::string_view path;
    uint32_t mode;
  };
  constexpr Directory kDirectories[] = {{"dev", 0755},     {"proc", 0755}, {"root", 0700},
                                        {"run", 0755},     {"sys", 0755},  {"tmp", 01777},
                                        {"var/tmp", 01777}};
  for (const auto& [path, mode] : kDirectories)
    STOWAGE_RETURN_IF_ERROR(forest.PutDirectory(path, mode).status());
  return absl::OkStatus();
}

// A second name for what a package has, where nothing has that name.
absl::Status AddAlias(ProfileForest& forest, absl::string_view alias, absl::string_view of) {
  STOWAGE_ASSIGN_OR_RETURN(const bool exists, forest.Exists(of));
  const std::string target = forest.LinkTarget(of);
  if (!exists || target.empty()) return absl::OkStatus();
  return forest.PutSymlink(alias, target);
}

absl::Status AddDefaults(ProfileForest& forest) {
  STOWAGE_RETURN_IF_ERROR(AddDirectories(forest));
  STOWAGE_RETURN_IF_ERROR(forest.PutFile("etc/passwd", kPasswd));
  STOWAGE_RETURN_IF_ERROR(forest.PutFile("etc/group", kGroup));
  STOWAGE_RETURN_IF_ERROR(forest.PutFile("etc/nsswitch.conf", kNameServiceSwitch));
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
