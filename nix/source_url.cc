#include "nix/source_url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stowage {
namespace {

// What a host name or an address may consist of; brackets stand around an IPv6 address.
bool IsHost(absl::string_view text) {
  const bool bracketed = absl::ConsumePrefix(&text, "[");
  if (bracketed && !absl::ConsumeSuffix(&text, "]")) return false;
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           (bracketed ? c == ':' : c == '-');
  });
}

// HOST or HOST:PORT.
bool IsAuthority(absl::string_view text) {
  const size_t colon = text.find(':', absl::StartsWith(text, "[") ? text.find(']') : 0);
  if (colon == absl::string_view::npos) return IsHost(text);
  const absl::string_view port = text.substr(colon + 1);
  int number = 0;
  return IsHost(text.substr(0, colon)) && !port.empty() &&
         absl::ascii_isdigit(static_cast<unsigned char>(port[0])) &&
         absl::SimpleAtoi(port, &number) && number > 0 && number < 65536;
}

}  // namespace

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

bool IsLoopbackUrl(absl::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == absl::string_view::npos) return false;
  absl::string_view authority = url.substr(scheme_end + 3);
  if (absl::ConsumePrefix(&authority, "[::1]"))
    return authority.empty() || authority.front() == ':';
  const absl::string_view host = authority.substr(0, authority.find(':'));
  return host == "127.0.0.1" || host == "localhost";
}

absl::Status CheckServerUrl(absl::string_view text) {
  absl::string_view authority = text;
  const bool secure = absl::ConsumePrefix(&authority, "https://");
  if (!secure && !absl::ConsumePrefix(&authority, "http://"))
    return absl::InvalidArgumentError("must be a URL like \"https://stowage.example\"");
  if (!IsAuthority(authority))
    return absl::InvalidArgumentError(
        "must be https://HOST or https://HOST:PORT and nothing more, without user name or path");
  if (!secure && !IsLoopbackUrl(text))
    return absl::InvalidArgumentError(
        "must be https: who answers by plain http is known on 127.0.0.1, [::1] and localhost only");
  return absl::OkStatus();
}

}  // namespace stowage
