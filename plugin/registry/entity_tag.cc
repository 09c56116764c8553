#include "plugin/registry/entity_tag.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace stowage {

std::string EntityTagOf(const Digest& digest, ContentCoding coding) {
  const absl::string_view name = ContentCodingName(coding);
  return absl::StrCat("\"", digest.ToString(), name.empty() ? "" : "-", name, "\"");
}

bool IfNoneMatchNames(absl::string_view header, absl::string_view tag) {
  // No tag of ours has a comma in it, so splitting there cuts none that could match.
  for (absl::string_view member : absl::StrSplit(header, ',')) {
    member = absl::StripAsciiWhitespace(member);
    if (member == "*") return true;
    (void)absl::ConsumePrefix(&member, "W/");  // weak tags compare by what follows
    if (member == tag) return true;
  }
  return false;
}

bool IfRangeAllows(absl::string_view header, absl::string_view tag) {
  return header.empty() || absl::StripAsciiWhitespace(header) == tag;
}

}  // namespace stowage
