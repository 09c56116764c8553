#include "nix/realisation.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "nix/nix_process.h"
#include "nix/realise_log.h"

namespace stowage {
namespace {

// Exit codes of nix-store --realise (Nix manual, "nix-store --realise", special exit codes).
constexpr int kTimedOut = 101;
constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);

// "DRV!OUTPUT", each once, in the order of packages.
std::vector<std::string> Targets(absl::Span<const EvaluatedPackage> packages) {
  std::vector<std::string> targets;
  for (const EvaluatedPackage& package : packages) {
    std::string target = absl::StrCat(package.derivation, "!", package.output);
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.push_back(std::move(target));
  }
  return targets;
}

std::string Names(absl::Span<const EvaluatedPackage> packages) {
  return absl::StrJoin(packages, ", ", [](std::string* out, const EvaluatedPackage& package) {
    absl::StrAppend(out, package.name);
  });
}

// The packages asked for that a failure belongs to: those whose derivation an error names, or all.
std::string FailedNames(absl::Span<const EvaluatedPackage> packages,
                        const std::vector<std::string>& derivations) {
  std::vector<std::string> names;
  for (const EvaluatedPackage& package : packages)
    if (std::find(derivations.begin(), derivations.end(), package.derivation) != derivations.end())
      names.push_back(package.name);
  return names.empty() ? Names(packages) : absl::StrJoin(names, ", ");
}

absl::Status CheckDerivationsExist(absl::Span<const EvaluatedPackage> packages) {
  for (const EvaluatedPackage& package : packages)
    if (struct stat status; ::lstat(package.derivation.c_str(), &status) != 0 && errno == ENOENT)
      return absl::UnavailableError(
          absl::StrCat("build of ", package.name, ": ", package.derivation,
                       " was garbage-collected since its evaluation; try again"));
  return absl::OkStatus();
}

absl::Status BuildFailure(absl::Span<const EvaluatedPackage> packages, int exit_code,
                          const RealiseLog& log) {
  const std::string what = absl::StrCat("build of ", FailedNames(packages, log.FailedDerivations()),
                                        exit_code == kTimedOut ? " timed out" : " failed");
  const absl::Status status = NixFailure(what, log.Reason());
  std::string message(status.message());
  const std::vector<std::string> tail = log.BuilderTail();
  if (!tail.empty())
    absl::StrAppend(&message, "\nlast lines of the builder's log:\n", absl::StrJoin(tail, "\n"));
  return absl::Status(exit_code == kTimedOut ? absl::StatusCode::kDeadlineExceeded : status.code(),
                      message);
}

// Nix prints the links that it made; each must lead to a store path that was expected.
absl::Status CheckLinks(absl::Span<const EvaluatedPackage> packages, absl::string_view printed) {
  std::vector<std::string> found;
  for (const absl::string_view link : absl::StrSplit(printed, '\n', absl::SkipEmpty())) {
    STOWAGE_ASSIGN_OR_RETURN(std::string target, ReadLinkAt(AT_FDCWD, std::string(link)));
    found.push_back(std::move(target));
  }
  for (const EvaluatedPackage& package : packages)
    if (std::find(found.begin(), found.end(), package.out_path.ToString()) == found.end())
      return absl::InternalError(absl::StrCat("realise ", package.name, ": Nix made no root for ",
                                              package.out_path.ToString()));
  return absl::OkStatus();
}

std::string Directory(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

absl::StatusOr<std::vector<StorePath>> NixRealiser::Realise(
    absl::Span<const EvaluatedPackage> packages, const std::string& root_link,
    const Progress& on_progress, const CallLimits& limits) {
  if (packages.empty()) return std::vector<StorePath>();
  if (!absl::StartsWith(root_link, "/"))
    return absl::InvalidArgumentError(absl::StrCat("root link '", root_link, "' is not absolute"));
  STOWAGE_RETURN_IF_ERROR(CheckDerivationsExist(packages));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(Directory(root_link)));
  RealiseLog log;
  absl::Time next_progress = absl::InfinitePast();
  NixCall call;
  call.program = "nix-store";
  call.arguments = Targets(packages);
  call.arguments.insert(call.arguments.begin(), "--realise");
  call.arguments.insert(call.arguments.end(),
                        {"--add-root", root_link, "--log-format", "internal-json"});
  call.on_stderr_line = [&](absl::string_view line) {
    log.AddLine(line);
    if (!on_progress || absl::Now() < next_progress) return;
    next_progress = absl::Now() + kProgressInterval;
    on_progress(log.TakeProgress());
  };
  absl::StatusOr<NixResult> result = RunNix(options_, call, limits);
  if (!result.ok()) return Annotate(result.status(), absl::StrCat("build of ", Names(packages)));
  if (on_progress) on_progress(log.TakeProgress());
  if (result->exit_code != 0) {
    // Nix roots outputs, not what it builds them from: a collection may have taken that meanwhile.
    STOWAGE_RETURN_IF_ERROR(CheckDerivationsExist(packages));
    return BuildFailure(packages, result->exit_code, log);
  }
  STOWAGE_FAULT_POINT("resolve.realise.rooted");
  STOWAGE_RETURN_IF_ERROR(CheckLinks(packages, result->standard_output));
  std::vector<StorePath> paths;
  for (const EvaluatedPackage& package : packages) paths.push_back(package.out_path);
  return paths;
}

absl::Status RemoveRoots(const std::string& root_link) {
  const std::filesystem::path link(root_link);
  const std::string directory = Directory(root_link);
  const std::string name = link.filename().string();
  const absl::StatusOr<std::vector<std::string>> entries = ListDirectory(directory);
  if (absl::IsNotFound(entries.status())) return absl::OkStatus();
  if (!entries.ok()) return entries.status();
  for (const std::string& entry : *entries) {
    if (entry != name && !absl::StartsWith(entry, absl::StrCat(name, "-"))) continue;
    const std::string path = absl::StrCat(directory, "/", entry);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return absl::ErrnoToStatus(errno, absl::StrCat("remove GC root ", path));
    STOWAGE_FAULT_POINT("resolve.remove_roots.unlinked");
  }
  (void)::rmdir(directory.c_str());  // kept while something else is in it
  return absl::OkStatus();
}

}  // namespace stowage
