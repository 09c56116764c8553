// A profile as one text: "stowage profile 1\n", then for each entry "TYPE MODE N M\n", N bytes of
// path and M bytes of content. Lengths before the strings, so that no two lists of entries give the
// same bytes.

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "layering/profile.h"

namespace stowage {
namespace {

constexpr absl::string_view kVersionLine = "stowage profile 1\n";

char TypeLetter(ProfileEntry::Type type) {
  switch (type) {
    case ProfileEntry::Type::kDirectory:
      return 'd';
    case ProfileEntry::Type::kSymlink:
      return 'l';
    case ProfileEntry::Type::kFile:
      break;
  }
  return 'f';
}

bool ParseType(absl::string_view letter, ProfileEntry::Type* type) {
  for (const auto candidate :
       {ProfileEntry::Type::kDirectory, ProfileEntry::Type::kFile, ProfileEntry::Type::kSymlink}) {
    *type = candidate;
    if (letter.size() == 1 && letter[0] == TypeLetter(candidate)) return true;
  }
  return false;
}

// Takes one entry from the front of `text`; false if none is there.
bool TakeEntry(absl::string_view* text, ProfileEntry* entry) {
  const size_t line_end = text->find('\n');
  if (line_end == absl::string_view::npos) return false;
  const std::vector<absl::string_view> fields = absl::StrSplit(text->substr(0, line_end), ' ');
  text->remove_prefix(line_end + 1);
  uint64_t path_bytes = 0;
  uint64_t content_bytes = 0;
  if (fields.size() != 4 || !ParseType(fields[0], &entry->type) ||
      !absl::SimpleAtoi(fields[1], &entry->mode) || !absl::SimpleAtoi(fields[2], &path_bytes) ||
      !absl::SimpleAtoi(fields[3], &content_bytes))
    return false;
  if (path_bytes > text->size() || content_bytes > text->size() - path_bytes) return false;
  entry->path = std::string(text->substr(0, path_bytes));
  entry->content = std::string(text->substr(path_bytes, content_bytes));
  text->remove_prefix(path_bytes + content_bytes);
  return true;
}

}  // namespace

std::string EncodeProfile(const Profile& profile) {
  std::string text(kVersionLine);
  for (const ProfileEntry& entry : profile.entries)
    absl::StrAppend(&text, std::string(1, TypeLetter(entry.type)), " ", entry.mode, " ",
                    entry.path.size(), " ", entry.content.size(), "\n", entry.path, entry.content);
  return text;
}

absl::StatusOr<Profile> DecodeProfile(absl::string_view text) {
  Profile profile = {{}, {}, Sha256(text)};
  if (!absl::ConsumePrefix(&text, kVersionLine))
    return absl::DataLossError("the text of a profile does not begin as one");
  while (!text.empty()) {
    ProfileEntry entry;
    if (!TakeEntry(&text, &entry))
      return absl::DataLossError(absl::StrCat("the text of a profile is damaged behind ",
                                              profile.entries.size(), " entries"));
    profile.entries.push_back(std::move(entry));
  }
  return profile;
}

}  // namespace stowage
