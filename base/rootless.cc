#include "base/rootless.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/own_user_namespace.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

absl::StatusOr<std::string> Home(absl::string_view name, const std::string& value,
                                 const std::string& home, absl::string_view below_home) {
  if (absl::StartsWith(value, "/")) return value;
  if (absl::StartsWith(home, "/")) return absl::StrCat(home, "/", below_home);
  return absl::FailedPreconditionError(
      absl::StrCat("rootless: neither HOME nor ", name, " is an absolute path; set one"));
}

// Without links.
absl::StatusOr<std::string> RealRuntimeDirectory(const std::string& value) {
  if (!absl::StartsWith(value, "/"))
    return absl::FailedPreconditionError(
        "rootless: XDG_RUNTIME_DIR is no absolute path; it is set by a login with systemd, "
        "otherwise type: export XDG_RUNTIME_DIR=/run/user/$(id -u)");
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(value, error);
  if (error)
    return absl::FailedPreconditionError(
        absl::StrCat("rootless: XDG_RUNTIME_DIR=", value, ": ", error.message()));
  return real.string();
}

absl::Status CheckCharacters(const std::string& path) {
  if (path.find_first_of(":,\\") == std::string::npos) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("rootless: ", path,
                   " has a ':', ',' or '\\', by which overlayfs separates its options; set "
                   "XDG_DATA_HOME and XDG_RUNTIME_DIR to directories without"));
}

}  // namespace

absl::StatusOr<RootlessPaths> FindRootlessPaths(const UserVariables& variables) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string config, Home("XDG_CONFIG_HOME", variables.config_home,
                                                          variables.home, ".config"));
  STOWAGE_ASSIGN_OR_RETURN(const std::string data, Home("XDG_DATA_HOME", variables.data_home,
                                                        variables.home, ".local/share"));
  STOWAGE_ASSIGN_OR_RETURN(const std::string real_runtime,
                           RealRuntimeDirectory(variables.runtime_directory));
  RootlessPaths paths = {config + "/stowage/config.toml", data + "/stowage",
                         variables.runtime_directory + "/stowage", real_runtime + "/stowage"};
  STOWAGE_RETURN_IF_ERROR(CheckCharacters(paths.state_directory));
  STOWAGE_RETURN_IF_ERROR(CheckCharacters(paths.mount_directory));
  return paths;
}

absl::Status CheckRootless(absl::string_view program) {
  if (InUserNamespace() && ::geteuid() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "--rootless: not root of a user namespace, so nothing can be mounted. Next to a rootless "
      "containerd type: containerd-rootless-setuptool.sh nsenter -- ",
      program,
      " --rootless; with a containerd of your own start both below: unshare --user "
      "--map-root-user --map-auto --mount"));
}

}  // namespace stowage
