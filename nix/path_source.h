#pragma once

#include <string>

#include "nix/package_source.h"

namespace stowage {

// A package set in a directory or file of this machine; only tag `latest`, always evaluated anew.
class PathSource : public PackageSource {
 public:
  explicit PathSource(PackageSourceOptions options) : options_(std::move(options)) {}

  std::string Describe() const override;
  std::string PublicUrl() const override;
  absl::StatusOr<std::string> ResolveTag(const std::string& tag, const CallLimits& limits) override;
  absl::StatusOr<SourceRevision> Fetch(const std::string& revision, const Progress& on_progress,
                                       const CallLimits& limits) override;

 private:
  const PackageSourceOptions options_;
};

}  // namespace stowage
