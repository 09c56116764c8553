#include "nix/path_fetch.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "nix/nix_process.h"
#include "nix/realise_log.h"

namespace stowage {
namespace {

constexpr absl::Duration kEventInterval = absl::Milliseconds(200);
// What Nix 2.8 says, besides, before an error that is just "build of ... failed".
constexpr absl::string_view kNoCacheHas = "don't know how to build these paths";

}  // namespace

absl::Status FetchPaths(absl::Span<const StorePath> paths, const NixOptions& options,
                        const CallLimits& limits, const std::function<void()>& on_event) {
  RealiseLog log;
  bool unknown = false;
  absl::Time next_event = absl::Now() + kEventInterval;
  NixCall call;
  call.program = "nix-store";
  // Nix remembers for an hour that a cache had no such path; whoever asks wants to know it now.
  call.arguments = {
      "--realise", "--log-format", "internal-json", "--option", "narinfo-cache-negative-ttl", "0"};
  // With it Nix ends by saying how many failed instead of why.
  if (paths.size() > 1) call.arguments.emplace_back("--keep-going");
  for (const StorePath& path : paths) call.arguments.push_back(path.ToString());
  call.on_stderr_line = [&](absl::string_view line) {
    log.AddLine(line);
    unknown |= absl::StrContains(line, kNoCacheHas);
    if (!on_event || absl::Now() < next_event) return;
    on_event();
    next_event = absl::Now() + kEventInterval;
  };
  const std::string what = paths.size() == 1 ? absl::StrCat("fetch ", paths[0].ToString())
                                             : absl::StrCat("fetch ", paths.size(), " store paths");
  const absl::StatusOr<NixResult> result = RunNix(options, call, limits);
  if (!result.ok()) return Annotate(result.status(), what);
  if (result->exit_code == 0) return absl::OkStatus();
  return NixFailure(
      what, absl::StrCat(unknown ? "no binary cache has it with all that it refers to: " : "",
                         log.Reason()));
}

}  // namespace stowage
