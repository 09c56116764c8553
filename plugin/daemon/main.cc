// stowaged: resolves Nix references, serves them to containerd and to every registry client.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "base/program_log.h"
#include "base/service_manager.h"
#include "plugin/config/config.h"
#include "plugin/daemon/daemon.h"
#include "plugin/version.h"

namespace {

constexpr char kFooter[] = R"(Examples:
  stowaged                                        run with /etc/stowage/config.toml
  stowaged --config ./config.toml --check-config  say whether a configuration is right
  stowage pull nix/shell/git                      ask the running daemon for an image

SIGTERM and SIGINT end it in order; containers that run are not touched. Keys of the configuration: docs/configuration.md.)";

// A service manager that does not listen is no reason to end.
void Notify(absl::string_view state) {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  const absl::Status status = stowage::NotifyServiceManager(socket == nullptr ? "" : socket, state);
  if (!status.ok())
    stowage::WriteProgramLog(stowage::LogLevel::kWarning,
                             "notify_failed error=\"" + std::string(status.message()) + "\"");
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "stowaged: %s\n", std::string(status.message()).c_str());
  return 1;
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
  std::string config_path = "/etc/stowage/config.toml";
  bool check_only = false;
  app.add_option("--config", config_path, "configuration file")->capture_default_str();
  app.add_flag("--check-config", check_only,
               "read the configuration, say what is wrong with it, and end");
  CLI11_PARSE(app, argc, argv);

  const auto config = stowage::LoadConfig(config_path);
  if (!config.ok()) return Fail(config.status());
  if (check_only) {
    std::printf("%s is right\n", config_path.c_str());
    return 0;
  }
  stowage::StartProgramLog("stowaged", config->log_level);
  return Run(*config);
}
