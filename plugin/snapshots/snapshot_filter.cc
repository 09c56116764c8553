#include "plugin/snapshots/snapshot_filter.h"

#include <re2/re2.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

// A compiled expression takes at most this much; RE2 matches in linear time whatever it is.
constexpr int64_t kPatternBytes = int64_t{1} << 20;

bool IsFieldByte(char c) { return c == '_' || absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// Bytes of UTF-8 sequences are values, as letters of any script are.
bool IsValueByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return c != ',' && (byte >= 0x80 || absl::ascii_isgraph(byte));
}

bool AppendUtf8(uint32_t rune, std::string& out) {
  if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) return false;
  if (rune < 0x80) {
    out.push_back(static_cast<char>(rune));
    return true;
  }
  const int continuation_bytes = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out.push_back(static_cast<char>(kLead[continuation_bytes] | (rune >> (6 * continuation_bytes))));
  for (int i = continuation_bytes - 1; i >= 0; --i)
    out.push_back(static_cast<char>(0x80 | ((rune >> (6 * i)) & 0x3f)));
  return true;
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<FilterSelector>> Selectors() {
    std::vector<FilterSelector> selectors;
    do {
      STOWAGE_ASSIGN_OR_RETURN(FilterSelector selector, Selector());
      selectors.push_back(std::move(selector));
      SkipBlanks();
    } while (Take(','));
    if (position_ < text_.size()) return Error("a comma or the end was expected");
    return selectors;
  }

 private:
  absl::Status Error(absl::string_view expected) const {
    return absl::InvalidArgumentError(
        absl::StrCat("filter '", text_, "', byte ", position_, ": ", expected));
  }

  void SkipBlanks() {
    while (position_ < text_.size() &&
           absl::ascii_isspace(static_cast<unsigned char>(text_[position_])))
      ++position_;
  }

  bool Take(char c) {
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  template <typename Predicate>
  std::string TakeWhile(Predicate predicate) {
    const size_t begin = position_;
    while (position_ < text_.size() && predicate(text_[position_])) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  absl::StatusOr<FilterSelector> Selector() {
    STOWAGE_ASSIGN_OR_RETURN(FilterSelector selector, FieldPath());
    SkipBlanks();
    if (position_ == text_.size() || text_[position_] == ',') return selector;
    const absl::string_view operator_text = text_.substr(position_, 2);
    using Operator = FilterSelector::Operator;
    if (operator_text == "==") {
      selector.comparison = Operator::kEqual;
    } else if (operator_text == "!=") {
      selector.comparison = Operator::kNotEqual;
    } else if (operator_text == "~=") {
      selector.comparison = Operator::kMatches;
    } else {
      return Error("'==', '!=' or '~=' was expected");
    }
    position_ += 2;
    STOWAGE_ASSIGN_OR_RETURN(selector.value, Value(selector.comparison == Operator::kMatches));
    if (selector.comparison == Operator::kMatches)
      STOWAGE_RETURN_IF_ERROR(CompilePattern(selector));
    return selector;
  }

  absl::StatusOr<FilterSelector> FieldPath() {
    std::vector<std::string> path;
    do {
      SkipBlanks();
      const bool quoted = position_ < text_.size() && text_[position_] == '"';
      STOWAGE_ASSIGN_OR_RETURN(
          std::string field,
          quoted ? Quoted() : absl::StatusOr<std::string>(TakeWhile(IsFieldByte)));
      if (!quoted && field.empty()) return Error("a field name was expected");
      path.push_back(std::move(field));
      SkipBlanks();
    } while (Take('.'));
    using Field = FilterSelector::Field;
    FilterSelector selector;
    const std::string& first = path.front();
    if (first == "labels") {
      selector.field = Field::kLabel;
      // labels.a.b is the label "a.b".
      selector.label = absl::StrJoin(path.begin() + 1, path.end(), ".");
    } else if (first == "name") {
      selector.field = Field::kName;
    } else if (first == "parent") {
      selector.field = Field::kParent;
    } else if (first == "kind") {
      selector.field = Field::kKind;
    }
    return selector;
  }

  absl::StatusOr<std::string> Value(bool is_pattern) {
    SkipBlanks();
    if (position_ == text_.size()) return Error("a value was expected");
    const char first = text_[position_];
    if (first == '"') return Quoted();
    if (first == '/' || first == '|') {
      if (!is_pattern) return Error("only an expression after ~= may be quoted by / or |");
      return Quoted();
    }
    if (first == '.' || first == '=' || first == '!' || first == '~')
      return Error("this value must be quoted");
    std::string value = TakeWhile(IsValueByte);
    if (value.empty()) return Error("a value was expected");
    return value;
  }

  absl::StatusOr<std::string> Quoted() {
    const char quote = text_[position_++];
    std::string out;
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == '\n' || c == '\0') break;
      ++position_;
      if (c == quote) return out;
      if (c != '\\') {
        out.push_back(c);
      } else if (!Escape(quote, out)) {
        return Error("unknown escape sequence");
      }
    }
    return Error("the quote is not closed");
  }

  // The escapes of a Go string literal, after the backslash.
  bool Escape(char quote, std::string& out) {
    if (position_ >= text_.size()) return false;
    const char c = text_[position_++];
    constexpr absl::string_view kLetters = "abfnrtv\\";
    constexpr absl::string_view kMeaning = "\a\b\f\n\r\t\v\\";
    if (c == quote) {
      out.push_back(quote);
      return true;
    }
    if (const size_t known = kLetters.find(c); known != absl::string_view::npos) {
      out.push_back(kMeaning[known]);
      return true;
    }
    if (c == 'u' || c == 'U') {
      const std::optional<uint32_t> rune = Number(16, c == 'u' ? 4 : 8);
      return rune.has_value() && AppendUtf8(*rune, out);
    }
    if (c != 'x') --position_;  // the first octal digit, or nothing known
    const std::optional<uint32_t> byte = c == 'x' ? Number(16, 2) : Number(8, 3);
    if (!byte.has_value() || *byte > 0xff) return false;
    out.push_back(static_cast<char>(*byte));
    return true;
  }

  std::optional<uint32_t> Number(uint32_t base, int digits) {
    uint32_t number = 0;
    for (int i = 0; i < digits; ++i) {
      const auto c = static_cast<unsigned char>(position_ < text_.size() ? text_[position_] : 0);
      if (!absl::ascii_isxdigit(c)) return std::nullopt;
      const uint32_t digit = absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
      if (digit >= base) return std::nullopt;
      number = number * base + digit;
      ++position_;
    }
    return number;
  }

  absl::Status CompilePattern(FilterSelector& selector) const {
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kPatternBytes);
    auto pattern = std::make_unique<re2::RE2>(selector.value, options);
    if (!pattern->ok()) return Error(absl::StrCat("regular expression: ", pattern->error()));
    selector.pattern = std::move(pattern);
    return absl::OkStatus();
  }

  const absl::string_view text_;
  size_t position_ = 0;
};

absl::string_view KindName(SnapshotKind kind) {
  switch (kind) {
    case SnapshotKind::kView:
      return "view";
    case SnapshotKind::kActive:
      return "active";
    case SnapshotKind::kCommitted:
      return "committed";
  }
  return "";
}

// nullopt: the snapshot has no such field.
std::optional<absl::string_view> FieldValue(const FilterSelector& selector,
                                            const Snapshot& snapshot) {
  switch (selector.field) {
    case FilterSelector::Field::kName:
      return snapshot.name;
    case FilterSelector::Field::kParent:
      return snapshot.parent;
    case FilterSelector::Field::kKind:
      return KindName(snapshot.kind);
    case FilterSelector::Field::kLabel: {
      const auto label = snapshot.labels.find(selector.label);
      if (label == snapshot.labels.end()) return std::nullopt;
      return label->second;
    }
    case FilterSelector::Field::kUnknown:
      break;
  }
  return std::nullopt;
}

bool SelectorMatches(const FilterSelector& selector, const Snapshot& snapshot) {
  const std::optional<absl::string_view> value = FieldValue(selector, snapshot);
  switch (selector.comparison) {
    case FilterSelector::Operator::kPresent:
      return value.has_value();
    case FilterSelector::Operator::kEqual:
      return value == selector.value;
    case FilterSelector::Operator::kNotEqual:
      return value.value_or("") != selector.value;
    case FilterSelector::Operator::kMatches: {
      const absl::string_view text = value.value_or("");
      return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *selector.pattern);
    }
  }
  return false;
}

}  // namespace

FilterSelector::FilterSelector() = default;
FilterSelector::FilterSelector(FilterSelector&&) noexcept = default;
FilterSelector& FilterSelector::operator=(FilterSelector&&) noexcept = default;
FilterSelector::~FilterSelector() = default;

absl::StatusOr<SnapshotFilter> SnapshotFilter::Parse(absl::string_view text) {
  if (text.empty()) return SnapshotFilter({});
  STOWAGE_ASSIGN_OR_RETURN(std::vector<FilterSelector> selectors, Parser(text).Selectors());
  return SnapshotFilter(std::move(selectors));
}

bool SnapshotFilter::Matches(const Snapshot& snapshot) const {
  for (const FilterSelector& selector : selectors_)
    if (!SelectorMatches(selector, snapshot)) return false;
  return true;
}

}  // namespace stowage
