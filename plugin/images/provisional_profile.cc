#include "plugin/images/provisional_profile.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/annotate.h"
#include "base/directory.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "layering/store_listing.h"
#include "nix/http_get.h"
#include "nix/source_url.h"

namespace stowage {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr size_t kRequestsAtATime = 16;
constexpr size_t kMaxEntries = 500'000;  // of all listings together

absl::StatusOr<LayerIndex> FetchListing(const std::string& cache_url, const StorePath& path,
                                        const CallLimits& limits) {
  const std::string url = absl::StrCat(cache_url, "/", path.hash(), ".ls");
  HttpGetOptions options;
  options.direct = IsLoopbackUrl(cache_url);
  options.compressed = true;
  options.max_bytes = kMaxStoreListingBytes;
  STOWAGE_ASSIGN_OR_RETURN(const HttpGetResult answer, HttpGet(url, options, limits));
  if (answer.status != 200)
    return absl::NotFoundError(absl::StrCat("get ", url, ": the cache answered ", answer.status,
                                            "; it does not list what is in its store paths"));
  absl::StatusOr<LayerIndex> tree = ParseStoreListing(path.base_name(), answer.body);
  if (!tree.ok()) return Annotate(tree.status(), url);
  return tree;
}

// Looks at the packages, then at what their links lead into, and so on.
class Skeleton {
 public:
  Skeleton(const ProvisionalProfileRequest& request, CallLimits limits)
      : request_(request), limits_(std::move(limits)) {
    for (const StoreObject& object : request.closure.closure.objects)
      members_.insert(object.path.base_name());
  }

  absl::Status Write(std::vector<std::string> wanted) {
    while (!wanted.empty()) {
      std::vector<std::vector<std::string>> linked(wanted.size());
      std::vector<std::optional<Digest>> listed(wanted.size());
      STOWAGE_RETURN_IF_ERROR(ParallelFor(wanted.size(), kRequestsAtATime, [&](size_t i) {
        return WriteOne(wanted[i], linked[i], listed[i]);
      }));
      for (size_t i = 0; i < wanted.size(); ++i)
        if (listed[i]) listed_.emplace_back(wanted[i], *listed[i]);
      wanted.clear();
      for (const std::vector<std::string>& names : linked)
        for (const std::string& name : names)
          // A link out of the closure leads nowhere in the container either.
          if (members_.contains(name) && seen_.insert(name).second) wanted.push_back(name);
    }
    return absl::OkStatus();
  }

  // seen: before Write.
  void See(const std::vector<std::string>& names) { seen_.insert(names.begin(), names.end()); }
  std::vector<std::pair<std::string, Digest>> TakeListed() { return std::move(listed_); }

 private:
  absl::Status WriteOne(const std::string& base_name, std::vector<std::string>& linked,
                        std::optional<Digest>& listed) {
    STOWAGE_ASSIGN_OR_RETURN(const StorePath path, StorePath::FromBaseName(base_name));
    const bool is_there = request_.valid.contains(base_name);
    STOWAGE_ASSIGN_OR_RETURN(const LayerIndex tree,
                             is_there ? ReadStoreTree(request_.store_directory, base_name)
                                      : FetchListing(request_.closure.cache_url, path, limits_));
    if (entries_ += tree.entry_count(); entries_ > kMaxEntries)
      return absl::ResourceExhaustedError(absl::StrCat(
          "the packages and what they link to have more than ", kMaxEntries, " files"));
    STOWAGE_RETURN_IF_ERROR(WriteStoreSkeleton(tree, request_.scratch));
    linked = LinkedStorePaths(tree);
    if (!is_there) listed = StoreTreeDigest(tree);
    return absl::OkStatus();
  }

  const ProvisionalProfileRequest& request_;
  const CallLimits limits_;
  absl::flat_hash_set<std::string> members_, seen_;
  std::vector<std::pair<std::string, Digest>> listed_;
  std::atomic<size_t> entries_ = 0;
};

}  // namespace

absl::StatusOr<ProvisionalProfile> ComposeProvisionalProfile(
    const ProvisionalProfileRequest& request, const CallLimits& limits) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(request.scratch, 0700));
  const absl::Cleanup remove = [&] { (void)RemoveTree(request.scratch); };
  Skeleton skeleton(request, {std::min(limits.deadline, absl::Now() + kPatience), limits.stop});
  skeleton.See(request.packages);
  STOWAGE_RETURN_IF_ERROR(skeleton.Write(request.packages));
  ProfileOptions options;
  options.store_directory = request.scratch;
  options.packages = request.packages;
  STOWAGE_ASSIGN_OR_RETURN(Profile profile, ComposeProfile(options));
  return ProvisionalProfile{std::move(profile), skeleton.TakeListed()};
}

}  // namespace stowage
