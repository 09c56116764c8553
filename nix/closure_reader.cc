#include "nix/closure_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nix/cli_closure_reader.h"
#include "nix/nix_process.h"
#include "nix/sqlite_closure_reader.h"

namespace stowage {

absl::StatusOr<std::unique_ptr<ClosureReader>> OpenClosureReader(const NixOptions& options) {
  absl::StatusOr<std::unique_ptr<SqliteClosureReader>> by_database =
      SqliteClosureReader::Open(options.state_directory + "/db");
  if (by_database.ok()) return std::unique_ptr<ClosureReader>(*std::move(by_database));
  NixCall call;
  call.program = "nix-store";
  call.arguments = {"--version"};
  CallLimits limits;
  limits.deadline = absl::Now() + absl::Seconds(30);
  const absl::StatusOr<NixResult> version = RunNix(options, call, limits);
  if (version.ok() && version->exit_code == 0)
    return std::unique_ptr<ClosureReader>(std::make_unique<CliClosureReader>(options));
  return absl::UnavailableError(absl::StrCat(
      "read Nix's store: ", by_database.status().message(), "; and by command line: ",
      version.ok() ? NixReason(version->standard_error) : std::string(version.status().message())));
}

}  // namespace stowage
