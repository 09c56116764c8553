#include "base/selinux_context.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace stowage {
namespace {

constexpr size_t kMaxContextBytes = 1024;  // mount options have 4,095 bytes in all

// The level has sensitivities and categories: s0-s15:c0.c1023,c2000.
bool HasOnly(absl::string_view text, absl::string_view marks) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [marks](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           marks.find(c) != absl::string_view::npos;
  });
}

}  // namespace

absl::Status CheckSelinuxContext(absl::string_view context) {
  const std::vector<absl::string_view> fields = absl::StrSplit(context, absl::MaxSplits(':', 3));
  bool right = (fields.size() == 3 || fields.size() == 4) && context.size() <= kMaxContextBytes;
  for (size_t i = 0; right && i < fields.size(); ++i)
    right = HasOnly(fields[i], i < 3 ? "_.-" : "_.-:,");
  if (right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", context,
                                                 "' is no SELinux context; one is like "
                                                 "system_u:object_r:container_ro_file_t:s0"));
}

}  // namespace stowage
