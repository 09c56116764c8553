// stowage-fuse: the FUSE server of a node. Mounts one file system that shows views of the Nix
// store, and keeps it served.

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "fuse/keeper.h"
#include "fuse/log.h"
#include "fuse/process.h"
#include "fuse/server_options.h"
#include "fuse/worker.h"

namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  stowage-fuse --state /var/lib/stowage --mountpoint /run/stowage/fs\n"
    "      as the stowage-fuse.service does it; ends by SIGTERM, which unmounts\n"
    "  stowage-fuse --state /tmp/s --mountpoint /tmp/m --store /tmp/store --log-level debug\n"
    "      everything at a private place, for a test\n"
    "  ls /run/stowage/fs/1/nix/store\n"
    "      what view number 1 shows; a view appears with its file <state>/views/1\n"
    "\n"
    "Prints 'mounted at <directory>' on standard output, and tells systemd, when it serves.";

// What the command line said, subcommands included.
struct CommandLine {
  stowage::ServerOptions options;
  std::string state_directory = "/var/lib/stowage";
  std::string store_directory = "/nix/store";
  int fuse_fd = -1;
  int session_fd = -1;
  int state_fd = -1;
  int store_fd = -1;
  int keeper_fd = -1;
  int ready_fd = -1;
  int worker_fd = -1;
};

void AddServerOptions(CLI::App& app, stowage::ServerOptions& options) {
  app.add_option("--mountpoint", options.mount_point, "Where to mount; made when missing")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads that serve requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "Lowest level logged to standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
}

// The subcommands by which keeper and worker start each other; not for people.
CLI::App* AddHiddenSubcommand(CLI::App& app, const std::string& name, CommandLine& line) {
  CLI::App* subcommand = app.add_subcommand(name)->group("");
  AddServerOptions(*subcommand, line.options);
  subcommand->add_option("--fuse-fd", line.fuse_fd)->required();
  subcommand->add_option("--session-fd", line.session_fd)->required();
  subcommand->add_option("--state-fd", line.state_fd)->required();
  subcommand->add_option("--store-fd", line.store_fd)->required();
  return subcommand;
}

stowage::ServerDescriptors TakeDescriptors(const CommandLine& line) {
  stowage::ServerDescriptors descriptors;
  descriptors.fuse = stowage::TakeInherited(line.fuse_fd);
  descriptors.session = stowage::TakeInherited(line.session_fd);
  descriptors.state_directory = stowage::TakeInherited(line.state_fd);
  descriptors.store_directory = stowage::TakeInherited(line.store_fd);
  return descriptors;
}

void SetUpLogging(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("stowage-fuse"));
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n[%P] %v");
}

void Log(stowage::LogSeverity severity, absl::string_view event) {
  const auto level = [severity] {
    switch (severity) {
      case stowage::LogSeverity::kDebug:
        return spdlog::level::debug;
      case stowage::LogSeverity::kInfo:
        return spdlog::level::info;
      case stowage::LogSeverity::kWarning:
        return spdlog::level::warn;
      case stowage::LogSeverity::kError:
        break;
    }
    return spdlog::level::err;
  }();
  spdlog::log(level, spdlog::string_view_t(event.data(), event.size()));
}

absl::Status RunNewKeeper(CommandLine& line) {
  const auto absolute = [](const std::string& path) {
    std::error_code ignored;  // the path itself is reported when it is used
    return std::filesystem::absolute(path, ignored).lexically_normal().string();
  };
  line.options.mount_point = absolute(line.options.mount_point);
  const auto announce = [&line] {
    std::printf("mounted at %s\n", line.options.mount_point.c_str());
    (void)std::fflush(stdout);  // whoever waits for the line may have gone
  };
  return stowage::RunKeeper(line.options, absolute(line.state_directory),
                            absolute(line.store_directory), announce, Log);
}

int Run(int argc, char** argv) {
  CommandLine line;
  line.options.mount_point = "/run/stowage/fs";
  CLI::App app("Shows views of the Nix store as one FUSE file system, for containers.",
               "stowage-fuse");
  app.set_version_flag("--version", "stowage-fuse " STOWAGE_VERSION);
  app.footer(kExamples);
  app.add_option("--state", line.state_directory, "Directory with views/ and objects/")
      ->capture_default_str();
  app.add_option("--store", line.store_directory, "The Nix store")->capture_default_str();
  AddServerOptions(app, line.options);
  CLI::App* worker = AddHiddenSubcommand(app, "worker", line);
  worker->add_option("--keeper-fd", line.keeper_fd)->required();
  worker->add_option("--ready-fd", line.ready_fd)->required();
  CLI::App* keeper = AddHiddenSubcommand(app, "keeper", line);
  keeper->add_option("--worker-fd", line.worker_fd)->required();
  CLI11_PARSE(app, argc, argv);

  SetUpLogging(line.options.log_level);
  if (const char* socket = std::getenv("NOTIFY_SOCKET"); socket != nullptr)
    line.options.notify_socket = socket;
  absl::Status status;
  if (worker->parsed()) {
    status = stowage::RunWorker(line.options, TakeDescriptors(line),
                                stowage::TakeInherited(line.keeper_fd),
                                stowage::TakeInherited(line.ready_fd), Log);
  } else if (keeper->parsed()) {
    status = stowage::RunAdoptingKeeper(line.options, TakeDescriptors(line),
                                        stowage::TakeInherited(line.worker_fd), Log);
  } else {
    status = RunNewKeeper(line);
  }
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "stowage-fuse: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "stowage-fuse: %s\n", exception.what());
    return EXIT_FAILURE;
  }
}
