#include "plugin/doctor/checks.h"

#include <algorithm>

namespace stowage {

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDanger:
      return "danger";
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      break;
  }
  return "note";
}

std::vector<Finding> CheckNode(const NodeFacts& facts) {
  std::vector<Finding> findings;
  for (const auto check : {CheckOwnNames, CheckConfigPath, CheckShortNames, CheckContainerd,
                           CheckProxyPlugin, CheckUnpacking, CheckStowage, CheckDisk, CheckMachine})
    for (Finding& finding : check(facts)) findings.push_back(std::move(finding));
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return findings;
}

bool AnythingWrong(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity != Severity::kNote; });
}

}  // namespace stowage
