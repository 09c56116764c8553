#include "nix/nix_process.h"

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "nix/internal_json.h"

namespace stowage {
namespace {

// Variables that say where Nix, its store and the network are.
constexpr const char* kKeptVariables[] = {
    "PATH",          "TMPDIR",       "USER",          "NIX_REMOTE",
    "NIX_CONFIG",    "NIX_CONF_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR",
    "NIX_STORE_DIR", "NIX_BIN_DIR",  "NIX_DATA_DIR",  "NIX_DAEMON_SOCKET_PATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "NIX_SSL_CERT_FILE",
    "http_proxy",    "https_proxy",  "all_proxy",     "no_proxy",
    "HTTPS_PROXY",   "ALL_PROXY",    "NO_PROXY",      "LOCALE_ARCHIVE",
};

std::vector<std::string> CleanEnvironment(const NixOptions& options) {
  std::vector<std::string> environment = {
      "LANG=C.UTF-8", "NIX_PATH=", absl::StrCat("HOME=", options.work_directory)};
  for (const char* name : kKeptVariables)
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(absl::StrCat(name, "=", value));
  // getenv takes the first of two entries, so the one kept must go.
  if (options.state_directory != NixOptions().state_directory) {
    std::erase_if(environment, [](const std::string& entry) {
      return absl::StartsWith(entry, "NIX_STATE_DIR=");
    });
    environment.push_back(absl::StrCat("NIX_STATE_DIR=", options.state_directory));
  }
  return environment;
}

absl::StatusOr<std::vector<std::string>> CommandLine(const NixOptions& options,
                                                     const NixCall& call) {
  std::vector<std::string> argv = {
      options.program_directory.empty()
          ? call.program
          : absl::StrCat(options.program_directory, "/", call.program)};
  for (const std::string& setting : options.extra_settings) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    if (parts.first.empty() || !absl::StrContains(setting, '='))
      return absl::InvalidArgumentError(
          absl::StrCat("Nix setting '", setting, "': is not of the form NAME=VALUE"));
    argv.insert(argv.end(), {"--option", std::string(absl::StripAsciiWhitespace(parts.first)),
                             std::string(absl::StripAsciiWhitespace(parts.second))});
  }
  argv.insert(argv.end(), call.arguments.begin(), call.arguments.end());
  return argv;
}

bool SaysNixCannotWork(absl::string_view reason) {
  return absl::StrContains(reason, "cannot connect to") ||
         absl::StrContains(reason, "Nix daemon disconnected") ||
         absl::StrContains(reason, "opening lock file") ||
         absl::StrContains(reason, "cannot open connection to remote store");
}

bool SaysDiskIsFull(absl::string_view reason) {
  return absl::StrContains(reason, "No space left on device") ||
         absl::StrContains(reason, "Disk quota exceeded") ||
         absl::StrContains(reason, "database or disk is full");
}

}  // namespace

absl::StatusOr<NixResult> RunNix(const NixOptions& options, const NixCall& call,
                                 const CallLimits& limits) {
  SubprocessOptions process;
  STOWAGE_ASSIGN_OR_RETURN(process.argv, CommandLine(options, call));
  process.environment = CleanEnvironment(options);
  process.working_directory = options.work_directory;
  process.standard_input = call.standard_input;
  process.deadline = limits.deadline;
  process.stop = limits.stop;
  process.kill_grace = call.kill_grace;
  std::optional<LineSplitter> lines;
  if (call.on_stderr_line) {
    lines.emplace(call.on_stderr_line);
    process.on_stderr = [&lines](absl::string_view bytes) { lines->Append(bytes); };
  }
  absl::StatusOr<SubprocessResult> result = RunSubprocess(process);
  if (lines) lines->Finish();
  if (absl::IsDeadlineExceeded(result.status()) || absl::IsCancelled(result.status()))
    return result.status();
  if (!result.ok())
    return absl::UnavailableError(absl::StrCat("run Nix: ", result.status().message(),
                                               "; is Nix installed (package nix-bin)?"));
  return NixResult{result->exit_code, std::move(result->standard_output),
                   std::move(result->standard_error)};
}

absl::Status NixFailure(absl::string_view what, absl::string_view reason) {
  const std::string message = absl::StrCat(what, ": ", reason);
  if (SaysDiskIsFull(reason)) return absl::ResourceExhaustedError(message);
  if (SaysNixCannotWork(reason))
    return absl::UnavailableError(
        absl::StrCat(message, "; is the Nix daemon running, and may this user talk to it?"));
  return absl::FailedPreconditionError(message);
}

std::string NixReason(absl::string_view standard_error) {
  std::string last_plain;
  for (const absl::string_view line :
       absl::StrSplit(standard_error, '\n', absl::SkipWhitespace())) {
    const std::optional<NixLogEvent> event = ParseNixLogLine(line);
    if (event && event->action == NixLogEvent::Action::kMessage && event->level == 0 &&
        !absl::StartsWith(event->text, "(use '--show-trace'"))
      return std::string(absl::StripAsciiWhitespace(event->text));
    if (!event) last_plain = PlainText(line);
  }
  const std::string plain = PlainText(standard_error);
  if (const size_t error = plain.rfind("error: "); error != std::string::npos)
    return std::string(absl::StripAsciiWhitespace(absl::string_view(plain).substr(error + 7)));
  return last_plain.empty() ? "ended without saying why" : last_plain;
}

}  // namespace stowage
