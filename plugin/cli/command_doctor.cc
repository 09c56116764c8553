#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "plugin/cli/commands.h"
#include "plugin/cli/control_client.h"
#include "plugin/cli/exit_code.h"
#include "plugin/cli/platform.h"
#include "plugin/cli/terminal_text.h"
#include "plugin/doctor/checks.h"
#include "plugin/doctor/gather_facts.h"

namespace stowage {
namespace {

constexpr absl::Duration kStatusTimeout = absl::Seconds(10);

absl::StatusOr<v1::StatusResponse> AskStowaged(const Invocation& invocation) {
  const auto control =
      ControlClient::Connect(invocation.control_socket, AsksOwnStowaged(invocation));
  if (!control.ok()) return control.status();
  return control->Status(absl::Now() + kStatusTimeout);
}

std::string ToJson(const std::vector<Finding>& findings) {
  nlohmann::ordered_json object = {{"ok", !AnythingWrong(findings)}};
  object["findings"] = nlohmann::ordered_json::array();
  for (const Finding& finding : findings)
    object["findings"].push_back({{"id", finding.id},
                                  {"severity", std::string(SeverityName(finding.severity))},
                                  {"problem", finding.problem},
                                  {"fix", finding.fix}});
  // Messages hold file names and the words of others.
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void PrintText(const std::vector<Finding>& findings, std::ostream& out) {
  for (const Finding& finding : findings) {
    out << absl::AsciiStrToUpper(SeverityName(finding.severity)) << " " << finding.id << "\n  "
        << PrintableText(finding.problem) << "\n";
    if (!finding.fix.empty()) out << "  fix: " << PrintableText(finding.fix) << "\n";
  }
  if (!AnythingWrong(findings)) out << "nothing is wrong\n";
}

}  // namespace

absl::StatusOr<int> RunDoctorCommand(const Invocation& invocation, const Streams& streams) {
  GatherOptions options;
  options.name = invocation.snapshotter;
  options.containerd_address = invocation.containerd_address;
  options.containerd_config = invocation.containerd_config;
  options.stowage_config = invocation.stowage_config;
  options.stowage_defaults = invocation.stowage_defaults;
  options.platform = OciPlatform();
  options.stowaged = AskStowaged(invocation);
  const std::vector<Finding> findings = CheckNode(GatherFacts(options));
  if (invocation.json) {
    streams.out << ToJson(findings);
  } else {
    PrintText(findings, streams.out);
  }
  return AnythingWrong(findings) ? kExitFailed : kExitOk;
}

}  // namespace stowage
