#pragma once

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "nix/package_source.h"
#include "nix/revision_cache.h"

namespace stowage {

// A channel of nixpkgs on a web server: CHANNEL/git-revision and CHANNEL/nixexprs.tar.xz, as
// channels.nixos.org has them. Tags: `latest` (the configured channel), the name of another channel
// there, a commit of 40 digits (taken from channel_revision_url).
class ChannelSource : public PackageSource {
 public:
  explicit ChannelSource(PackageSourceOptions options);

  std::string Describe() const override;
  std::string PublicUrl() const override;
  absl::StatusOr<std::string> ResolveTag(const std::string& tag, const CallLimits& limits) override;
  absl::StatusOr<SourceRevision> Fetch(const std::string& revision, const Progress& on_progress,
                                       const CallLimits& limits) override;

 private:
  absl::StatusOr<std::string> ResolveRevision(const std::string& revision,
                                              const CallLimits& limits);
  absl::StatusOr<std::string> ResolveChannel(const std::string& channel, const CallLimits& limits);
  std::string TarballUrl(const std::string& revision) const;
  std::string RevisionUrl(const std::string& revision) const;

  const PackageSourceOptions options_;
  const RevisionCache cache_;
  mutable absl::Mutex mutex_;
  // Where a revision that ResolveTag saw has its tarball, after redirects: on channels.nixos.org a
  // release that does not change, while the channel moves on. Forgotten with the process;
  // channel_revision_url serves then.
  absl::flat_hash_map<std::string, std::string> tarball_urls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace stowage
