#include <string>

#include "absl/strings/str_cat.h"
#include "nix/store_path.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr size_t kMaxFileName = 255;

void CheckPath(const StorePath& path) {
  STOWAGE_FUZZ_CHECK(path.hash().size() == 32 && !path.name().empty());
  STOWAGE_FUZZ_CHECK(absl::StrCat(path.hash(), "-", path.name()) == path.base_name());
  // It is used as the name of a file and in command lines.
  STOWAGE_FUZZ_CHECK(path.base_name().size() <= kMaxFileName);
  for (const char c : path.base_name()) STOWAGE_FUZZ_CHECK(c > ' ' && c < 0x7f && c != '/');
  const auto again = StorePath::Parse(path.ToString());
  STOWAGE_FUZZ_CHECK(again.ok() && *again == path);
}

void FuzzStorePath(absl::string_view bytes) {
  if (const auto path = StorePath::Parse(bytes); path.ok()) {
    STOWAGE_FUZZ_CHECK(path->ToString() == bytes);
    CheckPath(*path);
  }
  if (const auto path = StorePath::FromBaseName(bytes); path.ok()) {
    STOWAGE_FUZZ_CHECK(path->base_name() == bytes);
    CheckPath(*path);
  }
}

STOWAGE_FUZZ_TARGET(store_path, FuzzStorePath);

}  // namespace
}  // namespace stowage
