// stowaged: resolves Nix references, serves them to containerd and to every registry client.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "base/program_log.h"
#include "base/rootless.h"
#include "base/service_manager.h"
#include "base/status_macros.h"
#include "plugin/config/config.h"
#include "plugin/config/rootless_defaults.h"
#include "plugin/daemon/daemon.h"
#include "plugin/version.h"

namespace {

constexpr char kFooter[] = R"(Examples:
  stowaged                                        run with /etc/stowage/config.toml
  stowaged --config ./config.toml --check-config  say whether a configuration is right
  stowaged --rootless                             as root of a user namespace; docs/rootless.md
  stowage pull nix/shell/git                      ask the running daemon for an image

SIGTERM and SIGINT end it in order; containers that run are not touched. Keys of the configuration: docs/configuration.md.)";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A service manager that does not listen is no reason to end.
void Notify(absl::string_view state) {
  const absl::Status status = stowage::NotifyServiceManager(Variable("NOTIFY_SOCKET"), state);
  if (!status.ok())
    stowage::WriteProgramLog(stowage::LogLevel::kWarning,
                             "notify_failed error=\"" + std::string(status.message()) + "\"");
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "stowaged: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Where an ordinary user's files are. config_path: stays unless it is "".
absl::StatusOr<stowage::Config> LoadRootlessConfig(std::string& config_path) {
  STOWAGE_ASSIGN_OR_RETURN(
      const stowage::RootlessPaths paths,
      stowage::FindRootlessPaths({Variable("HOME"), Variable("XDG_CONFIG_HOME"),
                                  Variable("XDG_DATA_HOME"), Variable("XDG_RUNTIME_DIR")}));
  if (config_path.empty()) config_path = paths.config_file;
  return stowage::LoadConfig(config_path, stowage::RootlessDefaults(paths, Variable("USER")));
}

absl::Status CheckRootless(const stowage::Config& config) {
  STOWAGE_RETURN_IF_ERROR(stowage::CheckRootless("stowaged"));
  return stowage::CheckGcRootsDirectory(config.gc_roots_directory, Variable("USER"));
}

int Run(const stowage::Config& config) {
  // Blocked before the first thread is made, so that all threads have it so and sigwait alone gets
  // them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto daemon = stowage::Daemon::Start(config, stowage::WriteProgramLog);
  if (!daemon.ok()) return Fail(daemon.status());
  stowage::WriteProgramLog(stowage::LogLevel::kInfo, "ready " + (*daemon)->Describe());
  Notify("READY=1");
  int received = 0;
  sigwait(&signals, &received);
  Notify("STOPPING=1");
  stowage::WriteProgramLog(stowage::LogLevel::kInfo,
                           std::string("stopping signal=") + strsignal(received));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "stowaged: the Stowage daemon. Resolves Nix references, snapshotter for containerd, registry "
      "for everybody."};
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("stowaged ") + stowage::kVersion);
  std::string config_path;
  bool check_only = false;
  bool rootless = false;
  app.add_option("--config", config_path,
                 "configuration file [default: /etc/stowage/config.toml; with --rootless "
                 "$XDG_CONFIG_HOME/stowage/config.toml]");
  app.add_flag("--rootless", rootless,
               "for ordinary users, in a user namespace: files below XDG_DATA_HOME, sockets and "
               "mount below XDG_RUNTIME_DIR unless the configuration names others");
  app.add_flag("--check-config", check_only,
               "read the configuration, say what is wrong with it, and end");
  CLI11_PARSE(app, argc, argv);

  if (config_path.empty() && !rootless) config_path = "/etc/stowage/config.toml";
  const auto config = rootless ? LoadRootlessConfig(config_path) : stowage::LoadConfig(config_path);
  if (!config.ok()) return Fail(config.status());
  if (check_only) {
    std::printf("%s is right\n", config_path.c_str());
    return 0;
  }
  if (rootless)
    if (const absl::Status status = CheckRootless(*config); !status.ok()) return Fail(status);
  stowage::StartProgramLog("stowaged", config->log_level);
  return Run(*config);
}
