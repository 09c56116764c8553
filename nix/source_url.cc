#include "nix/source_url.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stowage {

std::string WithoutCredentials(absl::string_view location) {
  const size_t scheme_end = location.find("://");
  if (scheme_end == absl::string_view::npos) return std::string(location);
  const absl::string_view scheme = location.substr(0, scheme_end + 3);
  const absl::string_view rest = location.substr(scheme_end + 3);
  const absl::string_view authority = rest.substr(0, rest.find('/'));
  const size_t at = authority.rfind('@');
  if (at == absl::string_view::npos) return std::string(location);
  return absl::StrCat(scheme, rest.substr(at + 1));
}

std::string PublicUrlOf(absl::string_view location) {
  for (const absl::string_view scheme : {"http://", "https://", "git://", "ssh://"})
    if (absl::StartsWith(location, scheme)) return WithoutCredentials(location);
  return "";
}

}  // namespace stowage
