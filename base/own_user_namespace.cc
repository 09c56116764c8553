#include "base/own_user_namespace.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/file.h"

namespace stowage {

bool InUserNamespace() {
  // No such file: the kernel has no user namespaces.
  const absl::StatusOr<std::string> uid_map = ReadFile("/proc/self/uid_map");
  return uid_map.ok() && IsUserNamespaceMap(*uid_map);
}

bool IsUserNamespaceMap(absl::string_view uid_map) {
  const std::vector<absl::string_view> numbers =
      absl::StrSplit(uid_map, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  if (numbers.size() != 3) return true;
  uint64_t inside = 0, outside = 0, length = 0;
  if (!absl::SimpleAtoi(numbers[0], &inside) || !absl::SimpleAtoi(numbers[1], &outside) ||
      !absl::SimpleAtoi(numbers[2], &length))
    return true;
  // user_namespaces(7): the initial namespace maps all 2^32 - 1 users onto themselves.
  return inside != 0 || outside != 0 || length != 4294967295;
}

}  // namespace stowage
