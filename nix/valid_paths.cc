#include "nix/valid_paths.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "nix/nix_process.h"
#include "nix/realisation.h"

namespace stowage {
namespace {

constexpr absl::Duration kLockInterval = absl::Milliseconds(100);
constexpr size_t kPathsPerCall = 1000;                      // 250 KB of arguments at most
constexpr absl::string_view kModified = "' was modified!";  // Nix: nix-store.cc, opVerifyPath

absl::StatusOr<UniqueFd> OpenLock(const NixOptions& options) {
  return OpenAt(AT_FDCWD, options.state_directory + "/gc.lock", O_RDWR | O_CREAT, 0600);
}

absl::Status LinkAll(absl::Span<const StorePath> paths, const std::string& root_link) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(std::filesystem::path(root_link).parent_path().string()));
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string link = i == 0 ? root_link : absl::StrCat(root_link, "-", i + 1);
    if (::symlink(paths[i].ToString().c_str(), link.c_str()) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("make GC root ", link));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LinkIfValid(absl::Span<const StorePath> paths, const std::string& root_link,
                                 const NixOptions& options, ClosureReader& closures) {
  const auto lock = OpenLock(options);
  if (!lock.ok()) return false;
  STOWAGE_RETURN_IF_ERROR(LinkAll(paths, root_link));
  STOWAGE_FAULT_POINT("resolve.root_valid.linked");
  if (::flock(lock->get(), LOCK_SH | LOCK_NB) != 0) return false;
  const absl::Status valid = closures.CheckPathsValid(paths);
  if (absl::IsNotFound(valid)) return false;
  STOWAGE_RETURN_IF_ERROR(valid);
  return true;
}

}  // namespace

absl::StatusOr<bool> RootValidPaths(absl::Span<const StorePath> paths, const std::string& root_link,
                                    const NixOptions& options, ClosureReader& closures) {
  absl::StatusOr<bool> rooted = LinkIfValid(paths, root_link, options, closures);
  if (!rooted.ok() || !*rooted) STOWAGE_RETURN_IF_ERROR(RemoveRoots(root_link));
  return rooted;
}

absl::StatusOr<UniqueFd> KeepCollectionAway(const NixOptions& options, const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(UniqueFd lock, OpenLock(options));
  while (::flock(lock.get(), LOCK_SH | LOCK_NB) != 0) {
    if (limits.stop.stop_requested()) return absl::CancelledError("stowaged is stopping");
    if (absl::Now() > limits.deadline)
      return absl::DeadlineExceededError("Nix was still collecting garbage; try again later");
    absl::SleepFor(kLockInterval);
  }
  return lock;
}

absl::Status VerifyContents(absl::Span<const StorePath> paths, const NixOptions& options,
                            const CallLimits& limits) {
  for (; !paths.empty(); paths.remove_prefix(std::min(paths.size(), kPathsPerCall))) {
    NixCall call;
    call.program = "nix-store";
    call.arguments = {"--verify-path"};
    for (const StorePath& path : paths.subspan(0, kPathsPerCall))
      call.arguments.push_back(path.ToString());
    STOWAGE_ASSIGN_OR_RETURN(const NixResult result, RunNix(options, call, limits));
    if (result.exit_code == 0) continue;
    const std::string reason = NixReason(result.standard_error);
    if (absl::StrContains(result.standard_error, kModified))
      return absl::DataLossError(absl::StrCat("verify store paths: ", reason));
    return NixFailure("verify store paths", reason);
  }
  return absl::OkStatus();
}

}  // namespace stowage
