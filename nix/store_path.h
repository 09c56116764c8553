#pragma once

#include <compare>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

inline constexpr absl::string_view kStoreDirectory = "/nix/store";

// The name of a store path, "HASH-NAME": 32 characters of Nix's base 32, a hyphen, 1 to 211
// characters of [0-9A-Za-z+._?=-] that do not begin like "." or ".." (Nix: libstore/path.cc).
// Always valid. A value type.
class StorePath {
 public:
  // "HASH-NAME". Errors: InvalidArgument.
  static absl::StatusOr<StorePath> FromBaseName(absl::string_view base_name);
  // "/nix/store/HASH-NAME", nothing after it. Errors: InvalidArgument.
  static absl::StatusOr<StorePath> Parse(absl::string_view path);

  const std::string& base_name() const { return base_name_; }
  absl::string_view hash() const { return absl::string_view(base_name_).substr(0, 32); }
  absl::string_view name() const { return absl::string_view(base_name_).substr(33); }
  // "/nix/store/HASH-NAME".
  std::string ToString() const;

  friend auto operator<=>(const StorePath&, const StorePath&) = default;

 private:
  explicit StorePath(absl::string_view base_name) : base_name_(base_name) {}
  std::string base_name_;
};

}  // namespace stowage
