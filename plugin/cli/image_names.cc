#include "plugin/cli/image_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

constexpr absl::string_view kCtrHost = "nix/";
constexpr absl::string_view kCriHost = "nix.local/";
constexpr absl::string_view kDockerHost = "docker.io/";
constexpr absl::string_view kCriNamespace = "k8s.io";

// As ImageReference::Parse reads what a person types: a host in any case, then perhaps "nix/".
absl::string_view WithoutHost(absl::string_view reference) {
  for (const absl::string_view host : {kCriHost, kDockerHost}) {
    if (!absl::StartsWithIgnoreCase(reference, host)) continue;
    reference.remove_prefix(host.size());
    break;
  }
  if (absl::StartsWithIgnoreCase(reference, kCtrHost)) reference.remove_prefix(kCtrHost.size());
  return reference;
}

// Whether the name is ours to write as it was typed; docker.io's are not.
bool HasOurHost(absl::string_view reference) {
  return absl::StartsWithIgnoreCase(reference, kCtrHost) ||
         absl::StartsWithIgnoreCase(reference, kCriHost);
}

struct NameAndTag {
  absl::string_view name;
  absl::string_view tag;  // empty: none
};

NameAndTag SplitTag(absl::string_view reference) {
  const size_t colon = reference.rfind(':');
  const size_t slash = reference.rfind('/');
  if (colon == absl::string_view::npos || (slash != absl::string_view::npos && colon < slash))
    return {reference, ""};
  return {reference.substr(0, colon), reference.substr(colon + 1)};
}

bool IsAlphanumeric(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

// distribution-spec's path-component: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool IsPathComponent(absl::string_view text) {
  if (text.empty() || !IsAlphanumeric(text.front()) || !IsAlphanumeric(text.back())) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsAlphanumeric(text[i])) continue;
    size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    const size_t run = end - i;
    const bool separator =
        text[i] == '-' || (text[i] == '_' && run <= 2) || (text[i] == '.' && run == 1);
    if (!separator || !IsAlphanumeric(text[end])) return false;
    i = end;
  }
  return true;
}

bool IsRepository(absl::string_view path) {
  const std::vector<absl::string_view> components = absl::StrSplit(path, '/');
  return std::all_of(components.begin(), components.end(), IsPathComponent);
}

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

ImageNames NamesForReference(absl::string_view typed, absl::string_view canonical_name,
                             absl::string_view tag, absl::string_view containerd_namespace) {
  if (tag.empty()) tag = "latest";
  const NameAndTag whole = SplitTag(typed);
  const absl::string_view typed_tag = whole.tag.empty() ? tag : whole.tag;
  const absl::string_view typed_name = WithoutHost(whole.name);
  const std::string typed_form = absl::StrCat(typed_name, ":", typed_tag);
  const std::string canonical = absl::StrCat(WithoutHost(canonical_name), ":", tag);
  const bool typed_suits_cri = IsRepository(typed_name);

  ImageNames names;
  names.cri = absl::StrCat(kCriHost, typed_suits_cri ? typed_form : canonical);
  if (containerd_namespace == kCriNamespace) {
    names.ctr = names.cri;
  } else {
    names.ctr = HasOurHost(typed) ? absl::StrCat(whole.name, ":", typed_tag)
                                  : absl::StrCat(kCtrHost, typed_form);
    AddOnce(names.all, names.ctr);
    AddOnce(names.all, absl::StrCat(kCtrHost, canonical));
  }
  AddOnce(names.all, names.cri);
  AddOnce(names.all, absl::StrCat(kCriHost, canonical));
  return names;
}

}  // namespace stowage
