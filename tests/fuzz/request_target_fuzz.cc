#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/digest.h"
#include "plugin/registry/request_target.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

// '/' stays, as it divides a name.
std::string PercentEncode(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c == '/')
      encoded.push_back(c);
    else
      absl::StrAppendFormat(&encoded, "%%%02x", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string Parameter(absl::string_view name, const std::optional<std::string>& value) {
  if (!value) return "";
  return absl::StrCat("&", name, "=", PercentEncode(*value));
}

absl::string_view Keyword(RegistryEndpoint endpoint) {
  switch (endpoint) {
    case RegistryEndpoint::kManifest:
      return "manifests";
    case RegistryEndpoint::kBlob:
      return "blobs";
    case RegistryEndpoint::kTags:
      return "tags";
    case RegistryEndpoint::kReferrers:
      return "referrers";
    default:
      return "";
  }
}

bool HasNoControls(absl::string_view text) {
  for (const char c : text)
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return false;
  return true;
}

// What was read, written down with every byte escaped, is read the same.
void CheckTarget(const RequestTarget& target) {
  STOWAGE_FUZZ_CHECK(HasNoControls(target.name) && HasNoControls(target.reference));
  STOWAGE_FUZZ_CHECK(HasNoControls(target.mirror_of) && HasNoControls(target.last.value_or("")));
  const absl::string_view keyword = Keyword(target.endpoint);
  if (keyword.empty()) {
    STOWAGE_FUZZ_CHECK(target.name.empty() && target.reference.empty());
    return;
  }
  STOWAGE_FUZZ_CHECK(target.reference.find('/') == std::string::npos);
  const auto again = ParseRequestTarget(
      absl::StrCat("http://host/v2/", PercentEncode(target.name), "/", keyword, "/",
                   PercentEncode(target.reference), "?ns=", PercentEncode(target.mirror_of),
                   Parameter("n", target.page_size), Parameter("last", target.last),
                   Parameter("artifactType", target.artifact_type)));
  STOWAGE_FUZZ_CHECK(again.ok());
  STOWAGE_FUZZ_CHECK(again->endpoint == target.endpoint && again->name == target.name);
  STOWAGE_FUZZ_CHECK(again->reference == target.reference);
  STOWAGE_FUZZ_CHECK(again->mirror_of == target.mirror_of);
  STOWAGE_FUZZ_CHECK(again->page_size == target.page_size && again->last == target.last);
  STOWAGE_FUZZ_CHECK(again->artifact_type == target.artifact_type);
}

void FuzzRequestTarget(absl::string_view bytes) {
  if (const auto target = ParseRequestTarget(bytes); target.ok()) CheckTarget(*target);
  if (ValidateRepositoryName(bytes).ok()) {
    STOWAGE_FUZZ_CHECK(!bytes.empty() && bytes.size() <= 255);
    for (const absl::string_view component : absl::StrSplit(bytes, '/'))
      STOWAGE_FUZZ_CHECK(ValidateRepositoryName(component).ok());
  }
  if (IsForeignDigest(bytes)) STOWAGE_FUZZ_CHECK(!Digest::Parse(bytes).ok());
  if (IsValidMirrorHost(bytes)) STOWAGE_FUZZ_CHECK(HasNoControls(bytes));
}

STOWAGE_FUZZ_TARGET(request_target, FuzzRequestTarget);

}  // namespace
}  // namespace stowage
