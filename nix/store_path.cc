#include "nix/store_path.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stowage {
namespace {

constexpr size_t kHashCharacters = 32;
constexpr size_t kMaxNameCharacters = 211;

bool IsHashCharacter(char c) {
  return absl::ascii_isdigit(c) ||
         (absl::ascii_islower(c) && c != 'e' && c != 'o' && c != 'u' && c != 't');
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || absl::StrContains("+-._?=", c); }

// ".", "..", and what begins with either and a hyphen (Nix: libstore/path.cc, checkName).
bool BeginsLikeADotName(absl::string_view name) {
  return name == "." || name == ".." || absl::StartsWith(name, ".-") ||
         absl::StartsWith(name, "..-");
}

absl::Status Reject(absl::string_view text, absl::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("store path '", absl::CHexEscape(text.substr(0, 300)), "': ", reason));
}

}  // namespace

absl::StatusOr<StorePath> StorePath::FromBaseName(absl::string_view base_name) {
  if (base_name.size() <= kHashCharacters + 1 || base_name[kHashCharacters] != '-')
    return Reject(base_name, "is not HASH-NAME with a hash of 32 characters");
  const absl::string_view hash = base_name.substr(0, kHashCharacters);
  if (!std::all_of(hash.begin(), hash.end(), IsHashCharacter))
    return Reject(base_name, "the hash has a character outside Nix's base 32");
  const absl::string_view name = base_name.substr(kHashCharacters + 1);
  if (name.size() > kMaxNameCharacters)
    return Reject(base_name,
                  absl::StrCat("the name is longer than ", kMaxNameCharacters, " characters"));
  if (!std::all_of(name.begin(), name.end(), IsNameCharacter))
    return Reject(base_name, "the name has a character outside [0-9A-Za-z+._?=-]");
  if (BeginsLikeADotName(name)) return Reject(base_name, "the name begins like '.' or '..'");
  return StorePath(base_name);
}

absl::StatusOr<StorePath> StorePath::Parse(absl::string_view path) {
  absl::string_view rest = path;
  if (!absl::ConsumePrefix(&rest, kStoreDirectory) || !absl::ConsumePrefix(&rest, "/"))
    return Reject(path, absl::StrCat("is not in ", kStoreDirectory));
  return FromBaseName(rest);
}

std::string StorePath::ToString() const { return absl::StrCat(kStoreDirectory, "/", base_name_); }

}  // namespace stowage
