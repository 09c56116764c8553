// stowage-fuse: the FUSE server of a node. Mounts one file system that shows views of the Nix
// store, and keeps it served.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "base/program_log.h"
#include "base/rootless.h"
#include "base/service_manager.h"
#include "base/status_macros.h"
#include "fuse/fuse_config.h"
#include "fuse/keeper.h"
#include "fuse/process.h"
#include "fuse/saved_session.h"
#include "fuse/server_options.h"
#include "fuse/worker.h"

namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  stowage-fuse --state /var/lib/stowage --mountpoint /run/stowage/fs\n"
    "      as the stowage-fuse.service does it. SIGTERM ends it, and the file system of every\n"
    "      container on it; SIGHUP replaces it by the program at its place and disturbs nobody\n"
    "  stowage-fuse --state /tmp/s --mountpoint /tmp/m --store /tmp/store --log-level debug\n"
    "      everything at a private place, for a test\n"
    "  stowage-fuse --rootless\n"
    "      beside 'stowaged --rootless', in the same user and mount namespace\n"
    "  ls /run/stowage/fs/1/nix/store\n"
    "      what view number 1 shows; a view appears with its file <state>/views/1\n"
    "\n"
    "Prints 'mounted at <directory>' on standard output, and tells systemd, when it serves.";

// The descriptors' numbers on a command line that keeper and worker give each other.
struct InheritedNumbers {
  int fuse = -1;
  int session = -1;
  int state = -1;
  int store = -1;
  int ready = -1;
};

void AddServerOptions(CLI::App& app, stowage::ServerOptions& options) {
  app.add_option("--mountpoint", options.mount_point,
                 "Where to mount; made when missing [default: /run/stowage/fs]");
  app.add_option("--threads", options.threads, "Threads that serve requests")
      ->check(CLI::Range(1, stowage::kMaxThreads))
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "Lowest level logged to standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  app.add_option("--give-up-after", options.give_up_after_seconds,
                 "Seconds without a worker that can serve until the mount is ended, so that nobody "
                 "waits for it any longer")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_option("--stowaged-patience", options.stowaged_patience_seconds,
                 "Seconds that readers of a store path that is still to be fetched wait for a "
                 "stowaged that is not there; they get EIO then")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_flag("!--no-resend", options.resend,
               "Do without FUSE_NOTIFY_RESEND, as on kernels before 6.9; for tests");
}

stowage::ServerDescriptors TakeDescriptors(const InheritedNumbers& numbers) {
  stowage::ServerDescriptors descriptors;
  descriptors.fuse = stowage::TakeInherited(numbers.fuse);
  descriptors.session = stowage::TakeInherited(numbers.session);
  descriptors.state_directory = stowage::TakeInherited(numbers.state);
  descriptors.store_directory = stowage::TakeInherited(numbers.store);
  return descriptors;
}

int Report(const absl::Status& status) {
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "stowage-fuse: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// What systemd kept of an earlier keeper; takes the variables away.
stowage::StoredDescriptors TakeStored() {
  stowage::StoredDescriptors stored;
  for (stowage::PassedDescriptor& passed : stowage::TakePassedDescriptors(
           Variable("LISTEN_PID"), Variable("LISTEN_FDS"), Variable("LISTEN_FDNAMES"))) {
    if (passed.name == stowage::kStoredFuseName) stored.fuse = std::move(passed.fd);
    if (passed.name == stowage::kStoredSessionName) stored.session = std::move(passed.fd);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) (void)::unsetenv(name);
  return stored;
}

// Our file, for an upgrade: as we were called, since that may be a link which then leads elsewhere.
std::string OwnProgram(const char* called) {
  std::error_code error;
  std::filesystem::path path = called;
  if (path.has_parent_path())
    path = std::filesystem::absolute(path, error);
  else
    path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "/proc/self/exe" : path.string();
}

struct Places {
  std::string state_directory;
  std::string mount_point;
  std::string config;
};

// Fills in what the command line does not say, what is "".
absl::Status SetDefaults(bool rootless, Places& places) {
  Places defaults = {"/var/lib/stowage", "/run/stowage/fs", ""};
  if (rootless) {
    STOWAGE_RETURN_IF_ERROR(stowage::CheckRootless("stowage-fuse"));
    STOWAGE_ASSIGN_OR_RETURN(
        const stowage::RootlessPaths paths,
        stowage::FindRootlessPaths({Variable("HOME"), Variable("XDG_CONFIG_HOME"),
                                    Variable("XDG_DATA_HOME"), Variable("XDG_RUNTIME_DIR")}));
    defaults = {paths.state_directory, paths.mount_directory + "/fs", paths.config_file};
  }
  if (places.state_directory.empty()) places.state_directory = defaults.state_directory;
  if (places.mount_point.empty()) places.mount_point = defaults.mount_point;
  if (places.config.empty()) places.config = defaults.config;
  return absl::OkStatus();
}

// What the command line of people and systemd says beside ServerOptions.
struct PeopleOptions {
  Places places;  // its mount point is in ServerOptions
  bool rootless = false;
  std::string store_directory = "/nix/store";
  std::string data_mode;
  bool extended_attributes = true;
  std::string selinux_context;
};

void AddPeopleOptions(CLI::App& app, PeopleOptions& people) {
  app.add_option("--state", people.places.state_directory,
                 "Directory with views/ and objects/ [default: /var/lib/stowage]");
  app.add_option("--store", people.store_directory, "The Nix store")->capture_default_str();
  app.add_option(
         "--data", people.data_mode,
         "How files are read, for the life of the mount: cached keeps pages in FUSE; "
         "passthrough lets the kernel read the store (Linux 6.9); auto is passthrough where "
         "it works. Else --config says it, else it is cached")
      ->check(CLI::IsMember({"cached", "passthrough", "auto"}));
  app.add_flag("!--no-extended-attributes", people.extended_attributes,
               "Say that extended attributes are not supported, rather than that a file has none: "
               "the kernel then asks once for the life of the mount, and containerd cannot compare "
               "snapshots");
  app.add_option("--selinux-context", people.selinux_context,
                 "SELinux context of every file that is shown, for the life of the mount");
  app.add_option("--config", people.places.config,
                 "stowaged's configuration file, for its keys fuse.data, "
                 "fuse.extended_attributes and fuse.selinux_context");
  app.add_flag("--rootless", people.rootless,
               "For ordinary users, in a user namespace: --state, --mountpoint and --config are "
               "those of 'stowaged --rootless' unless they are given");
}

// The configuration file's, unless the command line says other.
absl::StatusOr<stowage::FuseConfig> WantedMount(const PeopleOptions& people) {
  stowage::FuseConfig wanted;
  if (!people.places.config.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(wanted, stowage::ReadFuseConfig(people.places.config));
  }
  if (!people.data_mode.empty()) wanted.data = people.data_mode;
  if (!people.extended_attributes) wanted.extended_attributes = false;
  if (!people.selinux_context.empty()) wanted.selinux_context = people.selinux_context;
  return wanted;
}

std::string Absolute(const std::string& path) {
  std::error_code ignored;  // the path itself is reported when it is used
  return std::filesystem::absolute(path, ignored).lexically_normal().string();
}

// What people and systemd start.
int RunForPeople(int argc, char** argv) {
  stowage::ServerOptions options;
  options.notify_socket = Variable("NOTIFY_SOCKET");
  options.program = OwnProgram(argv[0]);
  stowage::StoredDescriptors stored = TakeStored();
  PeopleOptions people;
  CLI::App app("Shows views of the Nix store as one FUSE file system, for containers.",
               "stowage-fuse");
  app.set_version_flag("--version", "stowage-fuse " STOWAGE_VERSION);
  app.footer(kExamples);
  AddPeopleOptions(app, people);
  AddServerOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  stowage::StartProgramLog("stowage-fuse", options.log_level);
  people.places.mount_point = options.mount_point;
  if (const absl::Status set = SetDefaults(people.rootless, people.places); !set.ok())
    return Report(set);
  options.mount_point = Absolute(people.places.mount_point);
  const auto announce = [](const std::string& mount_point) {
    std::printf("mounted at %s\n", mount_point.c_str());
    (void)std::fflush(stdout);  // whoever waits for the line may have gone
  };
  return Report(
      stowage::RunKeeper(options,
                         {Absolute(people.places.state_directory), Absolute(people.store_directory),
                          WantedMount(people), std::move(stored), announce},
                         stowage::WriteProgramLog));
}

// Asked by the keeper that this program is to replace: exit code 0 if it can.
int RunCheck(int argc, char** argv) {
  int session = -1;
  CLI::App app("Started by stowage-fuse itself.", "stowage-fuse check");
  app.add_option("--session-fd", session)->required();
  CLI11_PARSE(app, argc, argv);
  return Report(stowage::CheckSession(stowage::TakeInherited(session)));
}

// What keeper and worker start: role is "worker" or "keeper".
int RunRole(const std::string& role, int argc, char** argv) {
  stowage::ServerOptions options;
  options.notify_socket = Variable("NOTIFY_SOCKET");
  InheritedNumbers numbers;
  bool replace_worker = false;
  CLI::App app("Started by stowage-fuse itself.", "stowage-fuse " + role);
  app.allow_extras();  // a neighbouring version may have options that this one does without
  AddServerOptions(app, options);
  app.add_option("--program", options.program)->required();
  app.add_option("--fuse-fd", numbers.fuse)->required();
  app.add_option("--session-fd", numbers.session)->required();
  app.add_option("--state-fd", numbers.state)->required();
  app.add_option("--store-fd", numbers.store)->required();
  if (role == "worker") {
    app.add_option("--ready-fd", numbers.ready)->required();
  } else {
    app.add_flag("--replace-worker", replace_worker);
  }
  CLI11_PARSE(app, argc, argv);
  stowage::StartProgramLog("stowage-fuse", options.log_level);
  if (role == "worker")
    return Report(stowage::RunWorker(options, TakeDescriptors(numbers),
                                     stowage::TakeInherited(numbers.ready),
                                     stowage::WriteProgramLog));
  return Report(stowage::RunAdoptingKeeper(options, TakeDescriptors(numbers), replace_worker,
                                           stowage::WriteProgramLog));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string role = argc > 1 ? argv[1] : "";
    if (role == "check") return RunCheck(argc - 1, argv + 1);
    if (role == "worker" || role == "keeper") return RunRole(role, argc - 1, argv + 1);
    return RunForPeople(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "stowage-fuse: %s\n", exception.what());
    return EXIT_FAILURE;
  }
}
