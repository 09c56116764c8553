#include "plugin/snapshots/id_mapping.h"

#include <limits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// Whether `length` ids from `first` on are ids. The last number of all is "no id" (-1).
bool AreIds(uint32_t first, uint32_t length) {
  return length != 0 && first <= std::numeric_limits<uint32_t>::max() - length;
}

// The host's id of the container's 0.
absl::StatusOr<uint32_t> RootOf(absl::string_view label, absl::string_view text) {
  std::optional<uint32_t> root;
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> numbers = absl::StrSplit(range, ':');
    uint32_t container;
    uint32_t host;
    uint32_t length;
    if (numbers.size() != 3 || !absl::SimpleAtoi(numbers[0], &container) ||
        !absl::SimpleAtoi(numbers[1], &host) || !absl::SimpleAtoi(numbers[2], &length) ||
        !AreIds(container, length) || !AreIds(host, length))
      return absl::InvalidArgumentError(
          absl::StrCat("label ", label, "=", text,
                       ": is not CONTAINER:HOST:LENGTH[,CONTAINER:HOST:LENGTH...] with ids of 32 "
                       "bits"));
    if (container == 0) root = host;
  }
  if (!root.has_value())
    return absl::InvalidArgumentError(
        absl::StrCat("label ", label, "=", text, ": does not say what root is mapped to"));
  return *root;
}

}  // namespace

absl::StatusOr<std::optional<IdMapping>> IdMappingOf(const SnapshotLabels& labels) {
  const auto uids = labels.find(kUidMappingLabel);
  const auto gids = labels.find(kGidMappingLabel);
  if (uids == labels.end() && gids == labels.end()) return std::nullopt;
  if (uids == labels.end() || gids == labels.end())
    return absl::InvalidArgumentError(
        absl::StrCat("label ", uids == labels.end() ? kUidMappingLabel : kGidMappingLabel,
                     " is missing beside its twin: users and groups are mapped together"));
  IdMapping mapping = {uids->second, gids->second};
  STOWAGE_ASSIGN_OR_RETURN(mapping.root_uid, RootOf(kUidMappingLabel, mapping.uids));
  STOWAGE_ASSIGN_OR_RETURN(mapping.root_gid, RootOf(kGidMappingLabel, mapping.gids));
  return mapping;
}

}  // namespace stowage
