#include <string>

#include "absl/strings/str_cat.h"
#include "plugin/snapshots/snapshot_filter.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

using Field = FilterSelector::Field;
using Operator = FilterSelector::Operator;

const Snapshot& ASnapshot() {
  static const Snapshot snapshot = [] {
    Snapshot made;
    made.name = "sha256:0123";
    made.parent = "base";
    made.kind = SnapshotKind::kCommitted;
    made.labels = {{"containerd.io/snapshot.ref", "sha256:0123"}, {"a", "b"}};
    return made;
  }();
  return snapshot;
}

void FuzzSnapshotFilter(absl::string_view bytes) {
  const auto filter = SnapshotFilter::Parse(bytes);
  if (!filter.ok()) {
    STOWAGE_FUZZ_CHECK(absl::IsInvalidArgument(filter.status()));
    return;
  }
  STOWAGE_FUZZ_CHECK(filter->selectors().empty() == bytes.empty());
  const bool matches = filter->Matches(ASnapshot());
  for (const FilterSelector& selector : filter->selectors()) {
    STOWAGE_FUZZ_CHECK((selector.comparison == Operator::kMatches) ==
                       (selector.pattern != nullptr));
    // Each selector must hold.
    if (selector.field == Field::kUnknown && selector.comparison == Operator::kPresent)
      STOWAGE_FUZZ_CHECK(!matches);
    if (selector.field == Field::kName && selector.comparison == Operator::kEqual && matches)
      STOWAGE_FUZZ_CHECK(selector.value == ASnapshot().name);
  }
  if (bytes.empty()) return;
  // "and": twice the same is the same; with what never holds it never holds.
  const auto twice = SnapshotFilter::Parse(absl::StrCat(bytes, ",", bytes));
  STOWAGE_FUZZ_CHECK(twice.ok() && twice->Matches(ASnapshot()) == matches);
  STOWAGE_FUZZ_CHECK(twice->selectors().size() == 2 * filter->selectors().size());
  const auto never = SnapshotFilter::Parse(absl::StrCat(bytes, ",name==none"));
  STOWAGE_FUZZ_CHECK(never.ok() && !never->Matches(ASnapshot()));
}

STOWAGE_FUZZ_TARGET(snapshot_filter, FuzzSnapshotFilter);

}  // namespace
}  // namespace stowage
