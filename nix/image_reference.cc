#include "nix/image_reference.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "nix/attribute_path.h"

namespace stowage {
namespace {

constexpr absl::string_view kPrefix = "nix/";
constexpr absl::string_view kHosts[] = {"nix.local/", "docker.io/"};
constexpr size_t kMaxTagCharacters = 128;
// Clients end at 255 characters, host included, so a name must fit behind the longest known host.
constexpr size_t kMaxNameCharacters = 255 - absl::string_view("docker.io/nix/").size();

bool IsPlain(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }
bool IsSeparator(char c) { return c == '.' || c == '-' || c == '_'; }

absl::Status Reject(absl::string_view component, absl::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("image name part '", absl::CHexEscape(component), "': ", reason));
}

absl::Status RejectCharacter(absl::string_view component, char c) {
  if (c == ':')
    return Reject(
        component,
        "':' is allowed before the tag only; of hosts, nix.local and docker.io are known");
  if (!absl::ascii_isgraph(static_cast<unsigned char>(c)))
    return Reject(component, "spaces, control and non-ASCII characters are not allowed");
  return Reject(
      component,
      absl::StrCat("'", absl::string_view(&c, 1), "' is not allowed in image names; write --x",
                   absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2), " for it"));
}

// distribution-spec: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
absl::Status CheckComponent(absl::string_view component) {
  if (component.empty())
    return absl::InvalidArgumentError("image name: a part is empty (a '/' too many, or no name)");
  for (const char c : component)
    if (!IsPlain(c) && !IsSeparator(c)) return RejectCharacter(component, c);
  if (IsSeparator(component.front()) || IsSeparator(component.back()))
    return Reject(component, "must begin and end with a letter or digit");
  for (size_t i = 0; i < component.size();) {
    size_t end = i;
    while (IsSeparator(component[end])) ++end;
    const absl::string_view run = component.substr(i, end - i);
    if (run.size() > 1 && run != "__" && run.find_first_not_of('-') != absl::string_view::npos)
      return Reject(component,
                    absl::StrCat("'", run, "' is not allowed between letters or digits"));
    i = end + 1;
  }
  return absl::OkStatus();
}

// What the components of a name ask for, before it is put in order.
struct Request {
  bool amd64 = false;
  bool arm64 = false;
  bool shell = false;
  std::vector<std::string> packages;
};

absl::Status AddComponent(absl::string_view component, Request& request) {
  STOWAGE_RETURN_IF_ERROR(CheckComponent(component));
  if (!IsMetaPackage(component)) {
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> parts, DecodeAttributePath(component));
    request.packages.push_back(EncodeAttributePath(parts));
    return absl::OkStatus();
  }
  if (!request.packages.empty())
    return Reject(component,
                  absl::StrCat("a meta-package must stand before all packages, but follows '",
                               request.packages.back(), "'"));
  request.amd64 |= component == "amd64";
  request.arm64 |= component == "arm64";
  request.shell |= component == "shell";
  if (request.amd64 && request.arm64)
    return absl::InvalidArgumentError("image name: amd64 and arm64 exclude each other");
  return absl::OkStatus();
}

// By bytes, but "nix" last: as the first part of a name it would read as the prefix.
bool InCanonicalOrder(const std::string& a, const std::string& b) {
  return std::make_pair(a == "nix", absl::string_view(a)) <
         std::make_pair(b == "nix", absl::string_view(b));
}

std::string CanonicalName(const Request& request) {
  std::vector<absl::string_view> components;
  if (request.arm64) components.push_back("arm64");
  if (request.shell) components.push_back("shell");
  components.insert(components.end(), request.packages.begin(), request.packages.end());
  return absl::StrJoin(components, "/");
}

absl::Status RejectLength(size_t characters) {
  return absl::InvalidArgumentError(absl::StrCat("image name: ", characters,
                                                 " characters in canonical form; at most ",
                                                 kMaxNameCharacters, " fit after docker.io/nix/"));
}

}  // namespace

absl::Status CheckTag(absl::string_view text) {
  const auto reject = [&](absl::string_view reason) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tag '", absl::CHexEscape(text.substr(0, 2 * kMaxTagCharacters)), "': ", reason));
  };
  if (text.empty()) return reject("is empty");
  if (text.size() > kMaxTagCharacters)
    return reject(absl::StrCat("is longer than ", kMaxTagCharacters, " characters"));
  if (text[0] == '.' || text[0] == '-') return reject("must begin with a letter, digit or '_'");
  for (const char c : text)
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !IsSeparator(c))
      return reject("has a character outside [a-zA-Z0-9._-]");
  return absl::OkStatus();
}

absl::StatusOr<ImageReference> ImageReference::Parse(absl::string_view text) {
  if (text.find('@') != absl::string_view::npos)
    return absl::InvalidArgumentError(absl::StrCat(
        "image name '", absl::CHexEscape(text.substr(0, 300)),
        "': digests (@sha256:...) are not supported here; use a tag, which may be a commit "
        "of the package set"));
  const size_t slash = text.rfind('/');
  const size_t colon = text.rfind(':');
  const bool has_tag =
      colon != absl::string_view::npos && (slash == absl::string_view::npos || slash < colon);
  std::string repository = absl::AsciiStrToLower(has_tag ? text.substr(0, colon) : text);
  absl::string_view rest = repository;
  for (const absl::string_view host : kHosts)
    if (absl::ConsumePrefix(&rest, host)) break;
  return FromRepository(rest, has_tag ? text.substr(colon + 1) : "latest");
}

absl::StatusOr<ImageReference> ImageReference::FromRepository(absl::string_view repository,
                                                              absl::string_view tag) {
  STOWAGE_RETURN_IF_ERROR(CheckTag(tag));
  const std::string lower = absl::AsciiStrToLower(repository);
  absl::string_view rest = lower;
  (void)absl::ConsumePrefix(&rest, kPrefix);  // optional
  if (rest.size() > kMaxNameCharacters) return RejectLength(rest.size());
  Request request;
  for (const absl::string_view component : absl::StrSplit(rest, '/'))
    STOWAGE_RETURN_IF_ERROR(AddComponent(component, request));
  if (request.packages.empty() && !request.shell)
    return absl::InvalidArgumentError(
        absl::StrCat("image name '", lower, "': names no package; add one, or shell"));
  std::sort(request.packages.begin(), request.packages.end(), InCanonicalOrder);
  request.packages.erase(std::unique(request.packages.begin(), request.packages.end()),
                         request.packages.end());
  ImageReference reference;
  reference.name_ = CanonicalName(request);
  if (reference.name_.size() > kMaxNameCharacters) return RejectLength(reference.name_.size());
  reference.tag_ = std::string(tag);
  reference.system_ = request.arm64 ? "aarch64-linux" : "x86_64-linux";
  reference.shell_ = request.shell;
  reference.packages_ = std::move(request.packages);
  return reference;
}

std::string ImageReference::ToString() const { return absl::StrCat(kPrefix, name_, ":", tag_); }

absl::string_view ImageReference::architecture() const {
  return system_ == "aarch64-linux" ? "arm64" : "amd64";
}

}  // namespace stowage
