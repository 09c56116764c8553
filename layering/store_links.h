#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// Where a path of the store leads in a container, that is with the store at /nix/store and nothing
// else there to follow a link into.
struct StoreLocation {
  enum class Kind {
    kDirectory,
    kFile,
    kOutside,  // missing, not in the store, or a circle of links
  };
  Kind kind;
  // Below the store and free of links; for kOutside the absolute path at which the trail ends.
  std::string path;

  friend bool operator==(const StoreLocation&, const StoreLocation&) = default;
};

// Reads directories and follows links in a store, wherever it lies on this machine. Thread-safe.
class StoreLinks {
 public:
  static absl::StatusOr<StoreLinks> Open(const std::string& store_directory);

  // path: below the store, as "HASH-NAME/bin". Links are followed at every component.
  // Errors: the errno's code of what the system refuses to show.
  absl::StatusOr<StoreLocation> Follow(absl::string_view path) const;

  // The same for a name in a directory that was followed to before, which costs less.
  absl::StatusOr<StoreLocation> FollowIn(const StoreLocation& directory,
                                         absl::string_view name) const;

  // The names in a directory, sorted by bytes.
  absl::StatusOr<std::vector<std::string>> List(const StoreLocation& directory) const;

  // Whether the store has such a path, be it a link that leads nowhere.
  absl::StatusOr<bool> Has(const std::string& base_name) const;

 private:
  StoreLinks(UniqueFd store, std::string shown)
      : store_(std::move(store)), shown_(std::move(shown)) {}

  UniqueFd store_;
  std::string shown_;
};

}  // namespace stowage
