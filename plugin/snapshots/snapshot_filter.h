#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "plugin/snapshots/snapshot.h"

namespace re2 {
class RE2;
}

namespace stowage {

// One comparison of a filter, such as labels."containerd.io/snapshot.ref"==sha256:....
struct FilterSelector {
  enum class Field { kName, kParent, kKind, kLabel, kUnknown };
  enum class Operator { kPresent, kEqual, kNotEqual, kMatches };

  Field field = Field::kUnknown;
  std::string label;  // of Field::kLabel: the label's name
  Operator comparison = Operator::kPresent;
  std::string value;
  std::unique_ptr<const re2::RE2> pattern;  // of Operator::kMatches

  FilterSelector();
  FilterSelector(FilterSelector&&) noexcept;
  FilterSelector& operator=(FilterSelector&&) noexcept;
  ~FilterSelector();
};

// One filter of containerd's language (containerd, filters/parser.go): selectors joined by commas,
// all of which must hold. A selector is a field path (name, parent, kind, labels.KEY with KEY
// quoted where it holds more than letters, digits, '_' and '.') alone, for "is there", or followed
// by ==, != or ~= (RE2, found anywhere) and a value, quoted as in Go where it holds a comma or a
// blank. Regular expressions may also be quoted by / or |. The empty text matches everything.
class SnapshotFilter {
 public:
  // Errors: InvalidArgument with the position. Safe on any bytes; time and memory linear.
  static absl::StatusOr<SnapshotFilter> Parse(absl::string_view text);

  bool Matches(const Snapshot& snapshot) const;
  absl::Span<const FilterSelector> selectors() const { return selectors_; }

 private:
  explicit SnapshotFilter(std::vector<FilterSelector> selectors)
      : selectors_(std::move(selectors)) {}
  std::vector<FilterSelector> selectors_;
};

}  // namespace stowage
