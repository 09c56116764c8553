#include "plugin/registry/request_target.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTagBytes = 128;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// plus_is_space: in a query, clients write a space as '+' (WHATWG URL, urlencoded).
absl::StatusOr<std::string> PercentDecode(absl::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return absl::InvalidArgumentError("request target has a bad percent escape");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)))
      return absl::InvalidArgumentError("request target has a control character");
    decoded.push_back(c);
  }
  return decoded;
}

absl::Status ParseQuery(absl::string_view query, RequestTarget& target) {
  bool has_mirror = false;
  for (const absl::string_view parameter : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    STOWAGE_ASSIGN_OR_RETURN(const std::string name, PercentDecode(parts.first, true));
    STOWAGE_ASSIGN_OR_RETURN(std::string value, PercentDecode(parts.second, true));
    if (name == "ns" && !has_mirror) {
      has_mirror = true;
      target.mirror_of = std::move(value);
    } else if (name == "n" && !target.page_size) {
      target.page_size = std::move(value);
    } else if (name == "last" && !target.last) {
      target.last = std::move(value);
    } else if (name == "artifactType" && !target.artifact_type) {
      target.artifact_type = std::move(value);
    }
  }
  return absl::OkStatus();
}

RegistryEndpoint EndpointOf(const std::string& keyword, const std::string& reference) {
  if (keyword == "manifests") return RegistryEndpoint::kManifest;
  if (keyword == "blobs") return RegistryEndpoint::kBlob;
  if (keyword == "tags" && reference == "list") return RegistryEndpoint::kTags;
  if (keyword == "referrers") return RegistryEndpoint::kReferrers;
  return RegistryEndpoint::kUnknown;
}

absl::Status ParsePath(absl::string_view path, RequestTarget& target) {
  if (path == "/v2") target.endpoint = RegistryEndpoint::kPingNoSlash;
  if (path == "/v2/") target.endpoint = RegistryEndpoint::kPing;
  if (!absl::StartsWith(path, "/v2/") || path == "/v2/") return absl::OkStatus();
  // Split first: an escaped slash is part of a component, where it is never valid.
  std::vector<std::string> segments = absl::StrSplit(path.substr(4), '/');
  if (segments.size() < 3) return absl::OkStatus();
  for (std::string& segment : segments) {
    STOWAGE_ASSIGN_OR_RETURN(segment, PercentDecode(segment, false));
    if (segment.find('/') != std::string::npos)
      return absl::InvalidArgumentError("request target has an escaped slash in a path component");
  }
  target.endpoint = EndpointOf(segments[segments.size() - 2], segments.back());
  if (target.endpoint == RegistryEndpoint::kUnknown) return absl::OkStatus();
  target.reference = std::move(segments.back());
  segments.resize(segments.size() - 2);
  target.name = absl::StrJoin(segments, "/");
  return absl::OkStatus();
}

bool IsLowerAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool IsNameComponent(absl::string_view text) {
  if (text.empty() || !IsLowerAlphanumeric(text.front()) || !IsLowerAlphanumeric(text.back()))
    return false;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && !IsLowerAlphanumeric(text[end])) ++end;
    const absl::string_view separator = text.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == absl::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    i = end + 1;
  }
  return true;
}

}  // namespace

absl::StatusOr<RequestTarget> ParseRequestTarget(absl::string_view target) {
  if (absl::StartsWithIgnoreCase(target, "http://") ||
      absl::StartsWithIgnoreCase(target, "https://")) {
    target.remove_prefix(target.find("//") + 2);
    const size_t path = target.find_first_of("/?");
    target = path == absl::string_view::npos ? "/" : target.substr(path);
  }
  if (target.empty() || target.front() != '/')
    return absl::InvalidArgumentError("request target is not a path");
  target = target.substr(0, target.find('#'));
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  RequestTarget result;
  STOWAGE_RETURN_IF_ERROR(ParsePath(parts.first, result));
  STOWAGE_RETURN_IF_ERROR(ParseQuery(parts.second, result));
  return result;
}

absl::Status ValidateRepositoryName(absl::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("repository name is empty");
  if (name.size() > kMaxNameBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("repository name has ", name.size(), " bytes, at most 255 are allowed"));
  for (const absl::string_view component : absl::StrSplit(name, '/')) {
    if (IsNameComponent(component)) continue;
    const bool upper = std::any_of(component.begin(), component.end(), absl::ascii_isupper);
    return absl::InvalidArgumentError(absl::StrCat(
        "repository name ", name, ": component \"", component, "\" ",
        upper ? "has upper case; names are lower case"
              : "is not letters and digits separated by one '.', one or two '_', or '-'"));
  }
  return absl::OkStatus();
}

bool IsValidTag(absl::string_view tag) {
  const auto is_word = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  return !tag.empty() && tag.size() <= kMaxTagBytes && is_word(tag.front()) &&
         std::all_of(tag.begin(), tag.end(),
                     [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool IsValidMirrorHost(absl::string_view host) {
  return !host.empty() && host.size() <= kMaxNameBytes &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::string_view(".-_:[]").find(c) != absl::string_view::npos;
         });
}

bool IsForeignDigest(absl::string_view digest) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(digest, absl::MaxSplits(':', 1));
  const absl::string_view algorithm = parts.first;
  if (algorithm == "sha256" || algorithm.empty() || parts.second.empty()) return false;
  bool word_before = false;
  for (const char c : algorithm) {
    const bool separator = absl::string_view("+._-").find(c) != absl::string_view::npos;
    if (!separator && !IsLowerAlphanumeric(c)) return false;
    if (separator && !word_before) return false;
    word_before = !separator;
  }
  return word_before && std::all_of(parts.second.begin(), parts.second.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '=' || c == '_' ||
                  c == '-';
         });
}

}  // namespace stowage
