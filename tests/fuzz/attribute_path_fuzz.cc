#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "nix/attribute_path.h"
#include "plugin/registry/request_target.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr size_t kMaxNameBytes = 255;  // of a repository

bool IsVisible(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isgraph(c) != 0; });
}

// Every path has one spelling: legal, no meta-package, and decoding to the same.
void CheckSpelling(const std::vector<std::string>& parts) {
  const std::string name = EncodeAttributePath(parts);
  const auto decoded = DecodeAttributePath(name);
  STOWAGE_FUZZ_CHECK(decoded.ok() && *decoded == parts);
  STOWAGE_FUZZ_CHECK(!IsMetaPackage(name));
  STOWAGE_FUZZ_CHECK(!absl::StrContains(name, "/"));
  STOWAGE_FUZZ_CHECK(name.size() > kMaxNameBytes || ValidateRepositoryName(name).ok());
}

void FuzzAttributePath(absl::string_view bytes) {
  if (!IsVisible(bytes)) {
    (void)DecodeAttributePath(bytes);  // must only survive it: callers have checked the characters
    return;
  }
  if (const auto parts = DecodeAttributePath(bytes); parts.ok()) {
    for (const std::string& part : *parts) STOWAGE_FUZZ_CHECK(!part.empty() && IsVisible(part));
    CheckSpelling(*parts);
  }
  // The bytes as attribute names themselves, since those may hold anything visible.
  const std::vector<std::string> parts = absl::StrSplit(bytes, ',', absl::SkipEmpty());
  if (!parts.empty()) CheckSpelling(parts);
}

STOWAGE_FUZZ_TARGET(attribute_path, FuzzAttributePath);

}  // namespace
}  // namespace stowage
