#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "plugin/cli/environment.h"
#include "plugin/cli/run_arguments.h"
#include "plugin/cli/runner_command.h"

namespace stowage {

enum class Command { kNone, kPull, kRun, kResolve, kInspect, kStatus, kSetupContainerd, kDoctor };

// A parsed command line.
struct Invocation {
  Command command = Command::kNone;
  std::string message;  // with kNone: what --help or --version prints

  std::string control_socket;
  bool json = false;
  bool quiet = false;
  std::string reference;
  absl::Duration timeout = absl::InfiniteDuration();  // of resolving
  std::optional<bool> lazy;  // pull, run; nothing: as stowaged is configured

  bool layers = false;  // inspect, resolve

  std::string containerd_address;    // pull, run, setup, doctor
  std::string containerd_namespace;  // pull, run
  std::string snapshotter;           // pull, run, setup, doctor
  bool replace = false;              // pull

  RunnerChoice runner = RunnerChoice::kAutomatic;  // run
  std::string container_id;
  RunArguments run;

  std::string containerd_config;  // setup, doctor: files
  std::string stowage_config;
  Config stowage_defaults;         // of keys that stowage_config does not have
  bool rootless = false;           // as in Environment
  std::string certs_directory;     // "": as containerd's configuration says
  std::string containerd_version;  // "": found out
  bool dry_run = false;
  bool short_names = false;
};

// Whether the control socket is the one that an ordinary user's stowaged has by default.
bool AsksOwnStowaged(const Invocation& invocation);

// words: the arguments after the program's name. environment: gives the defaults.
// Errors: InvalidArgument, one line that ends by naming the --help to read.
absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& words,
                                            const Environment& environment);

}  // namespace stowage
