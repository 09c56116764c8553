#include "nix/attribute_path.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

constexpr absl::string_view kEscape = "--x";
constexpr size_t kEscapeSize = 5;  // "--xHH"
// Stands before an escape that would begin an attribute, since an OCI name cannot begin with '-'.
constexpr absl::string_view kLeadingEscape = "x--x";

int HexDigit(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The character that `text` begins to escape, if it begins with "--xHH".
std::optional<char> EscapeAt(absl::string_view text) {
  if (text.size() < kEscapeSize || !absl::StartsWith(text, kEscape)) return std::nullopt;
  const int high = HexDigit(text[3]);
  const int low = HexDigit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

absl::StatusOr<std::string> DecodePart(absl::string_view part) {
  if (part.empty()) return absl::InvalidArgumentError("an attribute name is empty");
  if (absl::StartsWith(part, "x") && EscapeAt(part.substr(1))) part.remove_prefix(1);
  std::string decoded;
  while (!part.empty()) {
    const std::optional<char> escaped = EscapeAt(part);
    if (escaped && !absl::ascii_isgraph(static_cast<unsigned char>(*escaped)))
      return absl::InvalidArgumentError(absl::StrCat("the escape '", part.substr(0, kEscapeSize),
                                                     "' is no visible ASCII character"));
    decoded.push_back(escaped.value_or(part[0]));
    part.remove_prefix(escaped ? kEscapeSize : 1);
  }
  return decoded;
}

bool IsPlain(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }
bool IsSeparator(char c) { return c == '-' || c == '_'; }

// Whether a run of separators may stand as it is between two plain characters: '_', '__' or hyphens
// (distribution-spec), and nothing that would read as an escape.
bool RunMayStand(absl::string_view run, absl::string_view after) {
  if (after.empty() || !IsPlain(after[0])) return false;
  if (run == "_" || run == "__" || run == "-") return true;
  return run.find('_') == absl::string_view::npos && after[0] != 'x';
}

void AppendEscape(char c, std::string& out) {
  absl::StrAppend(&out, kEscape, absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
}

std::string EncodePart(absl::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size();) {
    if (IsPlain(part[i])) {
      out.push_back(part[i++]);
      continue;
    }
    size_t end = i;
    while (end < part.size() && IsSeparator(part[end])) ++end;
    const absl::string_view run = part.substr(i, end - i);
    if (!run.empty() && i > 0 && RunMayStand(run, part.substr(end))) {
      absl::StrAppend(&out, run);
      i = end;
      continue;
    }
    if (out.empty()) out = "x";
    AppendEscape(part[i++], out);
  }
  return out;
}

// The same with the first character escaped; for a part that would otherwise be read differently.
std::string EncodePartEscapingFirst(absl::string_view part) {
  std::string out = "x";
  AppendEscape(part[0], out);
  return absl::StrCat(out, EncodePart(absl::StrCat("a", part.substr(1))).substr(1));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> DecodeAttributePath(absl::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("package '': the name is empty");
  std::vector<std::string> parts;
  for (const absl::string_view part : absl::StrSplit(name, '.')) {
    absl::StatusOr<std::string> decoded = DecodePart(part);
    if (!decoded.ok())
      return absl::InvalidArgumentError(
          absl::StrCat("package '", absl::CHexEscape(name), "': ", decoded.status().message()));
    parts.push_back(*std::move(decoded));
  }
  return parts;
}

bool IsMetaPackage(absl::string_view name) {
  return name == "shell" || name == "amd64" || name == "arm64";
}

std::string EncodeAttributePath(const std::vector<std::string>& parts) {
  if (parts.size() == 1 && IsMetaPackage(parts[0])) return EncodePartEscapingFirst(parts[0]);
  std::vector<std::string> encoded;
  for (const std::string& part : parts) {
    // A real x before an escape would be taken for the placeholder.
    const bool real_x = absl::StartsWith(part, "x");
    encoded.push_back(EncodePart(part));
    if (real_x && absl::StartsWith(encoded.back(), kLeadingEscape))
      encoded.back() = EncodePartEscapingFirst(part);
  }
  return absl::StrJoin(encoded, ".");
}

}  // namespace stowage
