#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// Whether text is a full commit id: 40 lower-case hexadecimal digits.
bool IsRevision(absl::string_view text);

// Unpacked package sets of one source: DIRECTORY/REVISION each, complete or not there, never
// changed once there. Thread-safe; several processes may share a directory.
class RevisionCache {
 public:
  // A directory for work in progress, removed with everything in it by the destructor.
  class Workspace {
   public:
    explicit Workspace(std::string path) : path_(std::move(path)) {}
    Workspace(Workspace&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Workspace& operator=(Workspace&&) = delete;
    ~Workspace();
    const std::string& path() const { return path_; }

   private:
    std::string path_;
  };

  // kept: revisions that stay however old; more stay while they were used within the last hour.
  RevisionCache(std::string directory, int kept) : directory_(std::move(directory)), kept_(kept) {}

  // The path of a revision that is there; counts as a use of it.
  std::optional<std::string> Find(absl::string_view revision) const;

  // Makes the cache's directory when needed.
  absl::StatusOr<Workspace> MakeWorkspace() const;

  // Takes the directory `tree`, which must lie in a workspace of this cache, as `revision` and
  // returns its new path. If somebody else was first, theirs is taken. Errors: FailedPrecondition
  // if the tree holds no default.nix; those of the file system.
  absl::StatusOr<std::string> Publish(const std::string& tree, absl::string_view revision) const;

 private:
  void Prune() const;

  const std::string directory_;
  const int kept_;
};

}  // namespace stowage
