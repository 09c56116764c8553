#include "plugin/setup/toml_edit.h"

#include <toml++/toml.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr char kName[] = "text";

// The place for a value at `path`; makes the tables on the way. Errors: FailedPrecondition where
// something else stands in it.
absl::StatusOr<nlohmann::json*> PlaceAt(nlohmann::json& root, const TomlPath& path) {
  nlohmann::json* node = &root;
  for (const std::string& key : path) {
    if (!node->is_object() && !node->is_null())
      return absl::FailedPreconditionError(
          absl::StrCat("what stands before '", key, "' in ", PathToToml(path), " is not a table"));
    node = &(*node)[key];
  }
  return node;
}

// The text if reading it gives exactly `wanted`.
absl::StatusOr<std::string> Verified(std::string text, const nlohmann::json& wanted,
                                     absl::string_view what) {
  const auto got = ParseToml(text, kName);
  if (got.ok() && *got == wanted) return text;
  return absl::FailedPreconditionError(
      absl::StrCat(what, " cannot be added without rewriting what is there",
                   got.ok() ? "" : absl::StrCat(" (", got.status().message(), ")")));
}

// Byte offset of toml++'s position: lines and columns from 1, columns in code points.
std::optional<size_t> OffsetOf(absl::string_view text, const toml::source_position& position) {
  size_t offset = 0;
  for (toml::source_index line = 1; line < position.line; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == absl::string_view::npos) return std::nullopt;
    offset = end + 1;
  }
  for (toml::source_index column = 1; column < position.column; ++column) {
    if (offset >= text.size()) return std::nullopt;
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80)
      ++offset;
  }
  return offset;
}

struct Region {
  size_t begin;
  size_t end;
};

// Where the value at `path`, or the last element of the list there, stands in the text; nothing if
// there is none.
enum class Part { kValue, kLastElement };
std::optional<Region> RegionOf(absl::string_view text, const TomlPath& path,
                               Part part = Part::kValue) {
  toml::table root;
  try {
    root = toml::parse(std::string_view(text.data(), text.size()));
  } catch (const toml::parse_error&) {
    return std::nullopt;  // callers have read it before
  }
  const toml::node* node = &root;
  for (const std::string& key : path) {
    const toml::table* table = node->as_table();
    node = table == nullptr ? nullptr : table->get(key);
    if (node == nullptr) return std::nullopt;
  }
  if (part == Part::kLastElement) {
    if (!node->is_array() || node->as_array()->empty()) return std::nullopt;
    node = &node->as_array()->back();
  }
  const auto begin = OffsetOf(text, node->source().begin);
  const auto end = OffsetOf(text, node->source().end);
  if (!begin || !end || *end <= *begin) return std::nullopt;
  return Region{*begin, *end};
}

struct Line {
  size_t begin;  // of the line
  size_t end;    // behind its newline
  absl::string_view indentation;
};

std::vector<Line> LinesOf(absl::string_view text) {
  std::vector<Line> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == absl::string_view::npos ? text.size() : newline + 1;
    const absl::string_view line = text.substr(begin, end - begin);
    lines.push_back(
        {begin, end, line.substr(0, line.size() - absl::StripLeadingAsciiWhitespace(line).size())});
    begin = end;
  }
  return lines;
}

// The line "[table]" that opens exactly this table. One inside a multi-line string looks the same;
// Verified() finds that out.
std::optional<Line> HeaderOf(absl::string_view text, const TomlPath& table) {
  nlohmann::json alone = nlohmann::json::object();
  for (auto key = table.rbegin(); key != table.rend(); ++key) alone = {{*key, std::move(alone)}};
  for (const Line& line : LinesOf(text)) {
    const absl::string_view content =
        absl::StripAsciiWhitespace(text.substr(line.begin, line.end - line.begin));
    if (!absl::StartsWith(content, "[") || absl::StartsWith(content, "[[")) continue;
    const auto parsed = ParseToml(content, kName);
    if (parsed.ok() && *parsed == alone) return line;
  }
  return std::nullopt;
}

std::string Inserted(absl::string_view text, size_t offset, absl::string_view addition) {
  return absl::StrCat(text.substr(0, offset), addition, text.substr(offset));
}

// The text, ended by a newline and, if it is not empty, by a blank line.
std::string ReadyToAppend(absl::string_view text) {
  std::string result(text);
  if (!result.empty() && result.back() != '\n') result.push_back('\n');
  if (!result.empty()) result.push_back('\n');
  return result;
}

// Where a key of the root table can be inserted: behind `version`, or before the first line that is
// neither blank nor a comment.
size_t RootKeyOffset(absl::string_view text) {
  const std::vector<Line> lines = LinesOf(text);
  if (const auto version = RegionOf(text, {"version"})) {
    for (const Line& line : lines)
      if (line.begin <= version->begin && version->begin < line.end) return line.end;
  }
  for (const Line& line : lines) {
    const absl::string_view content =
        absl::StripAsciiWhitespace(text.substr(line.begin, line.end - line.begin));
    if (!content.empty() && content[0] != '#') return line.begin;
  }
  return text.size();
}

// With a new key in a table, which is made if it is not there.
std::string WithAssignment(absl::string_view text, const TomlPath& table, const std::string& key,
                           absl::string_view literal) {
  const std::string assignment = absl::StrCat(key, " = ", literal, "\n");
  if (table.empty()) return Inserted(text, RootKeyOffset(text), assignment);
  if (const auto header = HeaderOf(text, table)) {
    const bool last_line_open = text[header->end - 1] != '\n';
    return Inserted(
        text, header->end,
        absl::StrCat(last_line_open ? "\n" : "", header->indentation, "  ", assignment));
  }
  return absl::StrCat(ReadyToAppend(text), "[", PathToToml(table), "]\n  ", assignment);
}

std::string WithListElement(absl::string_view text, const TomlPath& path,
                            absl::string_view literal) {
  // Right behind the last element, before a comma or a comment that may follow it.
  if (const auto last = RegionOf(text, path, Part::kLastElement))
    return Inserted(text, last->end, absl::StrCat(", ", literal));
  const auto region = RegionOf(text, path);
  return region ? Inserted(text, region->begin + 1, literal) : std::string(text);
}

}  // namespace

absl::StatusOr<std::string> SetTomlString(absl::string_view text, const TomlPath& table,
                                          const std::string& key, const std::string& value) {
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json wanted, ParseToml(text, kName));
  TomlPath path = table;
  path.push_back(key);
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json* const place, PlaceAt(wanted, path));
  if (*place == value) return std::string(text);
  *place = value;
  const std::string what = absl::StrCat(PathToToml(path), " = ", StringToToml(value));
  if (const auto region = RegionOf(text, path))
    return Verified(
        absl::StrCat(text.substr(0, region->begin), StringToToml(value), text.substr(region->end)),
        wanted, what);
  return Verified(WithAssignment(text, table, key, StringToToml(value)), wanted, what);
}

absl::StatusOr<std::string> AppendTomlString(absl::string_view text, const TomlPath& table,
                                             const std::string& key, const std::string& value) {
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json wanted, ParseToml(text, kName));
  TomlPath path = table;
  path.push_back(key);
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json* const list, PlaceAt(wanted, path));
  if (!list->is_null() && !list->is_array())
    return absl::FailedPreconditionError(absl::StrCat(PathToToml(path), " is not a list"));
  const std::string literal = StringToToml(value);
  std::string edited = list->is_null()
                           ? WithAssignment(text, table, key, absl::StrCat("[", literal, "]"))
                           : WithListElement(text, path, literal);
  list->push_back(value);
  return Verified(std::move(edited), wanted, absl::StrCat(literal, " in ", PathToToml(path)));
}

absl::StatusOr<std::string> AppendTomlTable(
    absl::string_view text, const TomlPath& path,
    const std::vector<std::pair<std::string, std::string>>& entries) {
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json wanted, ParseToml(text, kName));
  std::string edited = absl::StrCat(ReadyToAppend(text), "[[", PathToToml(path), "]]\n");
  nlohmann::json table = nlohmann::json::object();
  for (const auto& [key, value] : entries) {
    absl::StrAppend(&edited, "  ", key, " = ", StringToToml(value), "\n");
    table[key] = value;
  }
  STOWAGE_ASSIGN_OR_RETURN(nlohmann::json* const place, PlaceAt(wanted, path));
  if (!place->is_null() && !place->is_array())
    return absl::FailedPreconditionError(absl::StrCat(PathToToml(path), " is not a list"));
  place->push_back(std::move(table));
  return Verified(std::move(edited), wanted, absl::StrCat("[[", PathToToml(path), "]]"));
}

}  // namespace stowage
