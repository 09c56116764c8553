#include "plugin/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "plugin/cli/help_text.h"

namespace stowage {
namespace {

constexpr char kContainerdConfig[] = "/etc/containerd/config.toml";

std::string Duration(std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration())
    return absl::StrCat("'", text, "' is no duration such as 90s, 10m or 1h30m");
  return "";
}

// As containerd's identifiers begin and go on (pkg/identifiers).
std::string Identifier(std::string& text) {
  const bool valid = !text.empty() && absl::ascii_isalnum(text[0]) &&
                     std::all_of(text.begin(), text.end(), [](char c) {
                       return absl::ascii_isalnum(c) || absl::StrContains("._-", c);
                     });
  return valid ? "" : absl::StrCat("'", text, "' is no name of letters, digits, '.', '_' and '-'");
}

std::optional<RunnerChoice> RunnerByName(absl::string_view name) {
  if (name == "auto") return RunnerChoice::kAutomatic;
  if (name == "nerdctl") return RunnerChoice::kNerdctl;
  if (name == "ctr") return RunnerChoice::kCtr;
  return std::nullopt;
}

std::string RunnerName(std::string& text) {
  return RunnerByName(text) ? "" : absl::StrCat("'", text, "' is none of auto, nerdctl, ctr");
}

std::string AbsolutePath(std::string& text) {
  return absl::StartsWith(text, "/") ? "" : absl::StrCat("'", text, "' is no absolute path");
}

// CLI11 does not see what TakeRunArguments takes out, so it cannot tell the usage of `run`.
class RunFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return absl::StrCat(kRunUsage, "\n");
  }
};

// CLI11's description of the command line, bound to one Invocation.
class Parser {
 public:
  explicit Parser(const Environment& environment) : app_(kProgramHelp, "stowage") {
    invocation_.control_socket = environment.control_socket;
    invocation_.containerd_address = environment.containerd_address;
    invocation_.containerd_namespace = environment.containerd_namespace;
    invocation_.stowage_config = environment.stowage_config;
    invocation_.stowage_defaults = environment.stowage_defaults;
    invocation_.rootless = environment.rootless;
    invocation_.snapshotter = "stowage";
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.set_version_flag("--version", absl::StrCat("stowage ", STOWAGE_VERSION));
    app_.footer(kProgramFooter);
    AddGlobalOptions();
    AddPull();
    AddRun();
    AddResolve();
    AddInspect();
    AddCommand("status", Command::kStatus, kStatusHelp, kStatusFooter);
    AddSetup();
    AddDoctor();
  }

  absl::StatusOr<Invocation> Parse(std::vector<std::string> words) {
    STOWAGE_RETURN_IF_ERROR(TakeRunArguments(words));
    try {
      // CLI11 takes the words last first.
      std::reverse(words.begin(), words.end());
      app_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
      return Message(Selected().help(NameOf(Selected().get_parent())));
    } catch (const CLI::CallForVersion&) {
      return Message(absl::StrCat("stowage ", STOWAGE_VERSION, "\n"));
    } catch (const CLI::ParseError& error) {
      return UsageError(error.what());
    }
    invocation_.runner = *RunnerByName(runner_);
    if (invocation_.command == Command::kSetupContainerd && invocation_.containerd_config.empty())
      invocation_.containerd_config = kContainerdConfig;
    if (!timeout_.empty()) (void)absl::ParseDuration(timeout_, &invocation_.timeout);  // checked
    STOWAGE_RETURN_IF_ERROR(CheckReference());
    return std::move(invocation_);
  }

 private:
  CLI::App& AddCommand(const char* name, Command value, const char* help, const char* footer) {
    return AddCommandTo(app_, name, value, help, footer);
  }

  CLI::App& AddCommandTo(CLI::App& parent, const char* name, Command value, const char* help,
                         const char* footer) {
    CLI::App& command = *parent.add_subcommand(name, help);
    command.callback([this, value] { invocation_.command = value; });
    command.footer(absl::StrCat(kCommandFooter, footer));
    return command;
  }

  void AddGlobalOptions() {
    app_.add_option("--socket", invocation_.control_socket,
                    "Control socket of stowaged [env STOWAGE_SOCKET]")
        ->capture_default_str()
        ->type_name("PATH");
    app_.add_flag("--json", invocation_.json,
                  "Print one JSON object on standard output, errors too; no progress");
    app_.add_flag("-q,--quiet", invocation_.quiet, "No progress and no warnings");
  }

  void AddReference(CLI::App& command) {
    command
        .add_option("REF", invocation_.reference, "Image reference, such as nix/shell/git:latest")
        ->required()
        ->type_name("");
  }

  void AddTimeout(CLI::App& command) {
    command
        .add_option("--timeout", timeout_,
                    "Longest time to wait for a build, such as 10m [default: none]")
        ->check(CLI::Validator(Duration, ""))
        ->type_name("TIME");
  }

  // Not one flag bound to the value: CLI11 sets that also when the flag is not given.
  void AddLazy(CLI::App& command) {
    command.add_flag_callback(
        "--lazy", [this] { invocation_.lazy = true; },
        "Do not wait for store paths: fetch them when the container looks into them, and in the "
        "background; for images that were made here before or that images.record_source knows "
        "[default: images.lazy of stowaged's "
        "configuration]");
    command.add_flag_callback(
        "--no-lazy", [this] { invocation_.lazy = false; }, "Wait until all store paths are there");
  }

  void AddContainerdOptions(CLI::App& command) {
    AddAddress(command);
    command
        .add_option("-n,--namespace", invocation_.containerd_namespace,
                    "Namespace of containerd [env CONTAINERD_NAMESPACE]")
        ->capture_default_str()
        ->check(CLI::Validator(Identifier, ""))
        ->type_name("NAME");
    AddSnapshotter(command);
  }

  void AddAddress(CLI::App& command) {
    command
        .add_option("--address", invocation_.containerd_address,
                    "Socket of containerd [env CONTAINERD_ADDRESS]")
        ->capture_default_str()
        ->type_name("PATH");
  }

  void AddSnapshotter(CLI::App& command) {
    command
        .add_option("--snapshotter", invocation_.snapshotter,
                    "Name of stowaged in containerd's configuration: [proxy_plugins.NAME]")
        ->capture_default_str()
        ->check(CLI::Validator(Identifier, ""))
        ->type_name("NAME");
  }

  // Where the configurations are that must agree.
  void AddConfigurationFiles(CLI::App& command, absl::string_view by_default) {
    AddAddress(command);
    AddSnapshotter(command);
    command
        .add_option("--config", invocation_.containerd_config,
                    absl::StrCat("containerd's configuration [default: ", by_default, "]"))
        ->check(CLI::Validator(AbsolutePath, ""))
        ->type_name("FILE");
    command.add_option("--stowage-config", invocation_.stowage_config, "stowaged's configuration")
        ->capture_default_str()
        ->type_name("FILE");
  }

  void AddDoctor() {
    CLI::App& doctor = AddCommand("doctor", Command::kDoctor, kDoctorHelp, kDoctorFooter);
    AddConfigurationFiles(doctor,
                          absl::StrCat("that of the running containerd, else ", kContainerdConfig));
  }

  void AddSetup() {
    CLI::App& setup = *app_.add_subcommand("setup", kSetupHelp);
    setup.require_subcommand(1);
    setup.footer(kSetupFooter);
    CLI::App& containerd = AddCommandTo(setup, "containerd", Command::kSetupContainerd,
                                        kSetupContainerdHelp, kSetupContainerdFooter);
    containerd.add_flag("--dry-run", invocation_.dry_run,
                        "Write nothing; print what would be written as a diff");
    containerd.add_flag("--short-names", invocation_.short_names,
                        "Also ask stowaged first for docker.io/..., so that CRI and nerdctl take "
                        "nix/...; read below what that means");
    AddConfigurationFiles(containerd, kContainerdConfig);
    containerd
        .add_option("--certs-dir", invocation_.certs_directory,
                    "Where hosts.toml files go [default: CRI's config_path, else "
                    "/etc/containerd/certs.d]")
        ->check(CLI::Validator(AbsolutePath, ""))
        ->type_name("DIR");
    containerd
        .add_option("--containerd-version", invocation_.containerd_version,
                    "Version to write for [default: the daemon's, else that of 'containerd "
                    "--version']")
        ->type_name("VERSION");
  }

  void AddPull() {
    CLI::App& pull = AddCommand("pull", Command::kPull, kPullHelp, kPullFooter);
    AddReference(pull);
    AddContainerdOptions(pull);
    pull.add_flag("--replace", invocation_.replace,
                  "Take away the copy of the layers that another client has unpacked under their "
                  "chain ID, unless a container uses it");
    AddLazy(pull);
    AddTimeout(pull);
  }

  void AddRun() {
    run_ = &AddCommand("run", Command::kRun, kRunHelp, kRunFooter);
    run_->formatter(std::make_shared<RunFormatter>());
    run_->add_option("--with", runner_,
                     "Who runs the container; auto is nerdctl if it is in PATH, else ctr")
        ->capture_default_str()
        ->check(CLI::Validator(RunnerName, ""))
        ->type_name("auto|nerdctl|ctr");
    run_->add_option("--id,--name", invocation_.container_id,
                     "ID (ctr) or name (nerdctl) of the container [default: generated]")
        ->type_name("ID");
    AddContainerdOptions(*run_);
    AddLazy(*run_);
    AddTimeout(*run_);
  }

  void AddResolve() {
    CLI::App& resolve = AddCommand("resolve", Command::kResolve, kResolveHelp, kResolveFooter);
    AddReference(resolve);
    resolve.add_flag("--layers", invocation_.layers, "List the layers and their store paths");
    AddTimeout(resolve);
  }

  void AddInspect() {
    CLI::App& inspect = AddCommand("inspect", Command::kInspect, kInspectHelp, kInspectFooter);
    AddReference(inspect);
    inspect.add_flag("--layers", invocation_.layers, "List the layers and their store paths");
  }

  static OwnOption ClassifyIn(const CLI::App& app, absl::string_view flag) {
    const CLI::Option* option = app.get_option_no_throw(std::string(flag));
    if (option == nullptr) return OwnOption::kNo;
    return option->get_expected_max() == 0 ? OwnOption::kSwitch : OwnOption::kTakesValue;
  }

  // Whether a flag before REF is an option that CLI11 was told about.
  OwnOption Classify(absl::string_view flag) const {
    const OwnOption of_run = ClassifyIn(*run_, flag);
    return of_run == OwnOption::kNo ? ClassifyIn(app_, flag) : of_run;
  }

  bool IsCommand(const std::string& word) const {
    return !app_.get_subcommands([&](const CLI::App* app) { return app->get_name() == word; })
                .empty();
  }

  // Takes what is not ours out of `stowage [OPTION]... run ...`, which CLI11 could not tell apart.
  absl::Status TakeRunArguments(std::vector<std::string>& words) {
    size_t i = 0;
    while (i < words.size() && absl::StartsWith(words[i], "-")) {
      const OwnOption kind = ClassifyIn(app_, words[i].substr(0, words[i].find('=')));
      if (kind == OwnOption::kNo) return UsageError(absl::StrCat("no option '", words[i], "'"));
      const bool value_follows =
          kind == OwnOption::kTakesValue && !absl::StrContains(words[i], '=');
      i += value_follows ? 2 : 1;
    }
    if (i >= words.size()) return absl::OkStatus();
    if (!IsCommand(words[i])) return UsageError(absl::StrCat("no command '", words[i], "'"));
    if (words[i] != "run") return absl::OkStatus();
    auto split = SplitRunArguments(absl::MakeConstSpan(words).subspan(i + 1),
                                   [this](absl::string_view flag) { return Classify(flag); });
    if (!split.ok())
      return absl::InvalidArgumentError(
          absl::StrCat(split.status().message(), " (see 'stowage run --help')"));
    words.resize(i + 1);
    words.insert(words.end(), split->own_words.begin(), split->own_words.end());
    invocation_.run = *std::move(split);
    return absl::OkStatus();
  }

  absl::Status CheckReference() {
    if (invocation_.command != Command::kRun) return absl::OkStatus();
    invocation_.reference = invocation_.run.reference;
    if (invocation_.reference.empty()) return UsageError("REF is required");
    if (invocation_.json)
      return UsageError("--json: standard output is the container's; use 'stowage pull --json'");
    return absl::OkStatus();
  }

  // The innermost command on the command line.
  const CLI::App& Selected() const {
    const CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return *app;
  }

  // "stowage setup containerd"; "" for no command.
  static std::string NameOf(const CLI::App* app) {
    if (app == nullptr) return "";
    const std::string parent = NameOf(app->get_parent());
    return parent.empty() ? app->get_name() : absl::StrCat(parent, " ", app->get_name());
  }

  absl::Status UsageError(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " (see '", NameOf(&Selected()), " --help')"));
  }

  static Invocation Message(std::string text) {
    Invocation invocation;
    invocation.message = std::move(text);
    return invocation;
  }

  CLI::App app_;
  CLI::App* run_ = nullptr;  // owned by app_
  Invocation invocation_;
  std::string runner_ = "auto";
  std::string timeout_;
};

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& words,
                                            const Environment& environment) {
  return Parser(environment).Parse(words);
}

bool AsksOwnStowaged(const Invocation& invocation) {
  return invocation.rootless &&
         invocation.control_socket == invocation.stowage_defaults.control_socket;
}

}  // namespace stowage
