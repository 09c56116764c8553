#include "plugin/setup/containerd_version.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "plugin/containerd/containerd_client.h"

namespace stowage {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);

absl::StatusOr<std::string> AskDaemon(const std::string& address) {
  const absl::Time deadline = absl::Now() + kTimeout;
  STOWAGE_ASSIGN_OR_RETURN(const ContainerdClient client,
                           ContainerdClient::Connect(address, "default", deadline));
  return client.Version(deadline);
}

// `containerd --version` prints "containerd PACKAGE VERSION REVISION".
absl::StatusOr<std::string> AskProgram(const std::string& program) {
  SubprocessOptions options;
  options.argv = {program, "--version"};
  options.deadline = absl::Now() + kTimeout;
  STOWAGE_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(options));
  const std::vector<std::string> words =
      absl::StrSplit(result.standard_output, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  if (result.exit_code != 0 || words.size() < 3)
    return absl::UnavailableError(absl::StrCat("'", program, " --version' printed no version"));
  return words[2];
}

}  // namespace

absl::StatusOr<ContainerdVersion> ContainerdVersion::Parse(absl::string_view text) {
  absl::string_view rest = text;
  absl::ConsumePrefix(&rest, "v");
  const std::vector<absl::string_view> parts =
      absl::StrSplit(rest.substr(0, rest.find_first_not_of("0123456789.")), '.');
  ContainerdVersion version;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &version.major) &&
      absl::SimpleAtoi(parts[1], &version.minor) && absl::SimpleAtoi(parts[2], &version.patch))
    return version;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no version of containerd such as 1.7.24"));
}

std::string ContainerdVersion::ToString() const {
  return absl::StrCat(major, ".", minor, ".", patch);
}

absl::StatusOr<ContainerdVersion> FindContainerdVersion(const std::string& address,
                                                        const std::string& program) {
  const auto of_daemon = AskDaemon(address);
  if (of_daemon.ok()) return ContainerdVersion::Parse(*of_daemon);
  const auto of_program = AskProgram(program);
  if (of_program.ok()) return ContainerdVersion::Parse(*of_program);
  return absl::UnavailableError(
      absl::StrCat("find containerd's version: ", of_daemon.status().message(), "; and ",
                   of_program.status().message()));
}

}  // namespace stowage
