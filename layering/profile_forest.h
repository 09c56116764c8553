#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "layering/profile.h"
#include "layering/store_links.h"

namespace stowage {

// A profile being composed: real directories that hold links into the store. The rules stand in
// docs/layer-format.md, "The profile layer". Not thread-safe; borrows the store.
class ProfileForest {
 public:
  explicit ProfileForest(const StoreLinks& store) : store_(store) {}

  // Adds the top-level directories of all packages; called once, on an empty forest.
  // Errors: NotFound if a package is missing; ResourceExhausted beyond 100,000 entries or for a
  // path longer than PATH_MAX; else the errno's code.
  absl::Status AddPackages(absl::Span<const std::string> base_names);

  // Whether a container would find something at `path`, links into the store included.
  absl::StatusOr<bool> Exists(absl::string_view path) const;

  // The target of the link at `path`; "" if there is none.
  std::string LinkTarget(absl::string_view path) const;

  // Makes `path` a real directory with this mode. Links to directories on the way, the last
  // component included, become real directories of links; missing ones are made with 0755. False,
  // and nothing added, if a package has something else in the way.
  absl::StatusOr<bool> PutDirectory(absl::string_view path, uint32_t mode);
  // Adds a file or link unless there is something at `path` (see Exists) or its directory cannot be
  // made (see PutDirectory).
  absl::Status PutFile(absl::string_view path, absl::string_view content);
  absl::Status PutSymlink(absl::string_view path, absl::string_view target);

  std::vector<ProfileEntry> Entries() const;
  const std::vector<std::string>& conflicts() const { return conflicts_; }

 private:
  struct Node {
    ProfileEntry::Type type = ProfileEntry::Type::kDirectory;
    uint32_t mode = 0755;
    std::string content;
    std::map<std::string, std::unique_ptr<Node>> children;
  };
  // What one package has at one place of the profile.
  struct Source {
    const std::string* package;  // its base name
    std::string path;            // below the store, as the package has it: a link names this
    StoreLocation location;      // where that leads
  };
  using Sources = std::vector<Source>;
  using SourcesByName = std::map<std::string, Sources>;
  // The store directories that are being merged from the top down to here.
  using Merging = std::set<std::string>;

  absl::Status AddPackage(const std::string& base_name, SourcesByName& top_level);
  absl::Status Merge(Node& directory, const std::string& path, const Sources& sources,
                     Merging merging);
  absl::Status Place(Node& directory, const std::string& path, const std::string& name,
                     const Sources& candidates, const Merging& merging);
  Sources Unequal(const Sources& candidates, const std::string& path, const Merging& merging);
  absl::StatusOr<Node*> Add(Node& directory, const std::string& path, const std::string& name);
  absl::StatusOr<Node*> RealDirectory(absl::string_view path);
  absl::Status Expand(Node& link, const std::string& path);
  absl::Status PutLeaf(absl::string_view path, ProfileEntry::Type type, uint32_t mode,
                       absl::string_view content);
  const Node* Find(absl::string_view path, std::string* rest) const;
  void Report(const std::string& path, const Source& kept, const Source& ignored);
  void Flatten(const Node& directory, const std::string& path,
               std::vector<ProfileEntry>& entries) const;

  const StoreLinks& store_;
  Node root_;
  size_t entry_count_ = 0;
  std::vector<std::string> conflicts_;
};

}  // namespace stowage
