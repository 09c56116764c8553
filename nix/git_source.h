#pragma once

#include <string>
#include <vector>

#include "base/subprocess.h"
#include "nix/package_source.h"
#include "nix/revision_cache.h"

namespace stowage {

// A package set in a git repository, by the git program. Tags: `latest` (the configured ref, or
// HEAD), a tag or branch of the repository (in this order), a commit of 40 digits.
//
// A commit is fetched alone, without history, into a repository that lives as long as the fetch, so
// there is no lock and nothing to repair after a crash. Submodules are not fetched.
class GitSource : public PackageSource {
 public:
  explicit GitSource(PackageSourceOptions options);

  std::string Describe() const override;
  std::string PublicUrl() const override;
  // A commit that is not on disk yet is fetched, since only this shows that it exists.
  absl::StatusOr<std::string> ResolveTag(const std::string& tag, const CallLimits& limits) override;
  absl::StatusOr<SourceRevision> Fetch(const std::string& revision, const Progress& on_progress,
                                       const CallLimits& limits) override;

 private:
  absl::StatusOr<SubprocessResult> Git(std::vector<std::string> arguments,
                                       const std::string& directory, const Progress& on_progress,
                                       const CallLimits& limits) const;
  absl::Status FetchCommit(const std::string& repository, const std::string& commit,
                           const Progress& on_progress, const CallLimits& limits) const;
  absl::Status CheckOut(const std::string& repository, const std::string& commit,
                        const std::string& tree, const CallLimits& limits) const;

  const PackageSourceOptions options_;
  const RevisionCache cache_;
};

}  // namespace stowage
