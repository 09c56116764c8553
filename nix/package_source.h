#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nix/call_limits.h"

namespace stowage {

enum class PackageSourceKind { kPath, kGit, kChannel };

struct PackageSourceOptions {
  PackageSourceKind kind = PackageSourceKind::kPath;
  // path: directory with default.nix, or a file. git: URL or path of a repository with default.nix
  // at its top. channel: the channel that tag `latest` means, as "nixos-24.11".
  std::string location;
  // channel: where CHANNEL/git-revision and CHANNEL/nixexprs.tar.xz are found.
  std::string channel_base_url = "https://channels.nixos.org";
  // channel: the tarball of a revision that is no channel's current one; "{revision}" is replaced.
  std::string channel_revision_url = "https://github.com/NixOS/nixpkgs/archive/{revision}.tar.gz";
  // git: the branch or tag that tag `latest` means; "" is the repository's HEAD.
  std::string git_default_ref;
  // git, channel: fetched sets are kept here, below git/ and channel/.
  std::string cache_directory;
  // git, channel: fetched revisions kept per source, the least recently used going first, but none
  // used within the last hour.
  int kept_revisions = 8;
};

// A package set at one revision, on this machine's disk.
struct SourceRevision {
  std::string id;                // path: ""; git and channel: 40 hexadecimal digits
  bool mutable_content = false;  // path: the set may change under the same id; evaluate each time
  std::string set_path;          // file or directory for Nix's `import`; absolute, links resolved
};

// Where the package set comes from. Thread-safe: all methods may be called at the same time.
class PackageSource {
 public:
  // Called with lines for people while something is fetched, on the caller's thread.
  using Progress = std::function<void(absl::string_view line)>;

  // Touches neither disk nor network. Errors: InvalidArgument for options that cannot work.
  static absl::StatusOr<std::unique_ptr<PackageSource>> Create(PackageSourceOptions options);
  virtual ~PackageSource() = default;

  // For people: "path /x", "git https://...", "channel nixos-24.11 of https://...".
  // Without a user name or password that the location may carry.
  virtual std::string Describe() const = 0;

  // Where anybody can find the source, for an image's labels, without user name and password; "" for
  // a source that means something on this machine only.
  virtual std::string PublicUrl() const = 0;

  // The revision that a tag means now. Errors: NotFound for an unknown tag, the message naming tag
  // and source; Unavailable when the source cannot be reached; DeadlineExceeded, Cancelled.
  virtual absl::StatusOr<std::string> ResolveTag(const std::string& tag,
                                                 const CallLimits& limits) = 0;

  // Makes a revision that ResolveTag returned available on disk; quick when it was fetched before.
  // Errors: as ResolveTag; FailedPrecondition if it holds no package set; ResourceExhausted for a
  // full disk.
  virtual absl::StatusOr<SourceRevision> Fetch(const std::string& revision,
                                               const Progress& on_progress,
                                               const CallLimits& limits) = 0;
};

}  // namespace stowage
