#include "layering/profile_forest.h"

#include <limits.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

// Links can multiply what a few directories hold; no real set of packages comes near.
constexpr size_t kMaxEntries = 100'000;

// What the container runtime, or this profile for it, puts there itself.
constexpr std::array<absl::string_view, 7> kRuntimeOwned = {"dev", "nix", "proc",   "run",
                                                            "sys", "tmp", "var/tmp"};
// Nix's own notes to builders.
constexpr absl::string_view kBuildTimeDirectory = "nix-support";

bool IsRuntimeOwned(absl::string_view path) {
  return std::find(kRuntimeOwned.begin(), kRuntimeOwned.end(), path) != kRuntimeOwned.end();
}

std::string Join(absl::string_view directory, absl::string_view name) {
  return directory.empty() ? std::string(name) : absl::StrCat(directory, "/", name);
}

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

absl::string_view LastComponent(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

absl::string_view PackageName(absl::string_view base_name) { return base_name.substr(33); }

std::string ForPeople(absl::string_view path) { return absl::Utf8SafeCHexEscape(path); }

bool IsDirectory(const StoreLocation& location) {
  return location.kind == StoreLocation::Kind::kDirectory;
}

}  // namespace

absl::Status ProfileForest::AddPackages(absl::Span<const std::string> base_names) {
  SourcesByName top_level;
  for (const std::string& base_name : base_names)
    STOWAGE_RETURN_IF_ERROR(AddPackage(base_name, top_level));
  for (const auto& [name, sources] : top_level) {
    STOWAGE_ASSIGN_OR_RETURN(Node * directory, Add(root_, "", name));
    STOWAGE_RETURN_IF_ERROR(Merge(*directory, name, sources, {}));
  }
  return absl::OkStatus();
}

absl::Status ProfileForest::AddPackage(const std::string& base_name, SourcesByName& top_level) {
  STOWAGE_ASSIGN_OR_RETURN(const bool exists, store_.Has(base_name));
  if (!exists)
    return absl::NotFoundError(absl::StrCat("compose a profile: ", kStoreDirectory, "/", base_name,
                                            " is not in the store; realise it first"));
  STOWAGE_ASSIGN_OR_RETURN(const StoreLocation package, store_.Follow(base_name));
  if (!IsDirectory(package)) {
    conflicts_.push_back(
        absl::StrCat("/: ", PackageName(base_name), " ignored, it is not a directory"));
    return absl::OkStatus();
  }
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, store_.List(package));
  for (const std::string& name : names) {
    STOWAGE_ASSIGN_OR_RETURN(StoreLocation location, store_.FollowIn(package, name));
    if (!IsDirectory(location) || name == kBuildTimeDirectory) continue;
    if (IsRuntimeOwned(name)) {
      conflicts_.push_back(absl::StrCat(name, ": ", PackageName(base_name),
                                        " ignored, it belongs to the container runtime"));
      continue;
    }
    top_level[name].push_back({&base_name, Join(base_name, name), std::move(location)});
  }
  return absl::OkStatus();
}

absl::Status ProfileForest::Merge(Node& directory, const std::string& path, const Sources& sources,
                                  Merging merging) {
  SourcesByName children;
  for (const Source& source : sources) {
    // The same directory by another name, or by the same package named twice.
    if (!merging.insert(source.location.path).second) continue;
    STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names, store_.List(source.location));
    for (const std::string& name : names) {
      if (IsRuntimeOwned(Join(path, name))) continue;
      STOWAGE_ASSIGN_OR_RETURN(StoreLocation location, store_.FollowIn(source.location, name));
      children[name].push_back({source.package, Join(source.path, name), std::move(location)});
    }
  }
  for (const auto& [name, candidates] : children)
    STOWAGE_RETURN_IF_ERROR(Place(directory, Join(path, name), name, candidates, merging));
  return absl::OkStatus();
}

absl::Status ProfileForest::Place(Node& directory, const std::string& path, const std::string& name,
                                  const Sources& candidates, const Merging& merging) {
  const Sources unequal = Unequal(candidates, path, merging);
  STOWAGE_ASSIGN_OR_RETURN(Node * node, Add(directory, path, name));
  if (unequal.size() > 1) return Merge(*node, path, unequal, merging);
  *node = {ProfileEntry::Type::kSymlink,
           0777,
           absl::StrCat(kStoreDirectory, "/", unequal.front().path),
           {}};
  return absl::OkStatus();
}

// The candidates that have a part in the result: the first and, if it is a directory, all other
// directories that are not the same. Reports the rest.
ProfileForest::Sources ProfileForest::Unequal(const Sources& candidates, const std::string& path,
                                              const Merging& merging) {
  // A link to a directory further up would be merged for ever.
  const auto can_merge = [&merging](const Source& source) {
    return IsDirectory(source.location) && merging.count(source.location.path) == 0;
  };
  Sources unequal = {candidates.front()};
  for (const Source& candidate : absl::MakeSpan(candidates).subspan(1)) {
    const bool known = std::any_of(unequal.begin(), unequal.end(), [&](const Source& other) {
      return other.location == candidate.location;
    });
    if (known) continue;
    if (can_merge(unequal.front()) && can_merge(candidate))
      unequal.push_back(candidate);
    else
      Report(path, unequal.front(), candidate);
  }
  return unequal;
}

absl::StatusOr<ProfileForest::Node*> ProfileForest::Add(Node& directory, const std::string& path,
                                                        const std::string& name) {
  if (++entry_count_ > kMaxEntries || path.size() >= PATH_MAX)
    return absl::ResourceExhaustedError(absl::StrCat(
        "compose a profile: at ", ForPeople(path), ": more than ", kMaxEntries,
        " entries, or a path too long; the packages' links multiply their directories"));
  std::unique_ptr<Node>& node = directory.children[name];
  node = std::make_unique<Node>();
  return node.get();
}

const ProfileForest::Node* ProfileForest::Find(absl::string_view path, std::string* rest) const {
  const Node* node = &root_;
  const std::vector<std::string> components = absl::StrSplit(path, '/');
  for (size_t i = 0; i < components.size(); ++i) {
    if (node->type != ProfileEntry::Type::kDirectory) {
      for (; i < components.size(); ++i) absl::StrAppend(rest, "/", components[i]);
      return node;
    }
    const auto child = node->children.find(components[i]);
    if (child == node->children.end()) return nullptr;
    node = child->second.get();
  }
  return node;
}

absl::StatusOr<bool> ProfileForest::Exists(absl::string_view path) const {
  std::string rest;
  const Node* node = Find(path, &rest);
  if (node == nullptr) return false;
  if (rest.empty()) return true;
  absl::string_view below_store = node->content;
  if (node->type != ProfileEntry::Type::kSymlink ||
      !absl::ConsumePrefix(&below_store, absl::StrCat(kStoreDirectory, "/")))
    return false;
  STOWAGE_ASSIGN_OR_RETURN(const StoreLocation location,
                           store_.Follow(absl::StrCat(below_store, rest)));
  return location.kind != StoreLocation::Kind::kOutside;
}

std::string ProfileForest::LinkTarget(absl::string_view path) const {
  std::string rest;
  const Node* node = Find(path, &rest);
  if (node == nullptr || node->type != ProfileEntry::Type::kSymlink) return "";
  return absl::StrCat(node->content, rest);
}

absl::StatusOr<ProfileForest::Node*> ProfileForest::RealDirectory(absl::string_view path) {
  Node* node = &root_;
  std::string here;
  for (const absl::string_view component : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    const std::string name(component);
    here = Join(here, name);
    const auto child = node->children.find(name);
    if (child == node->children.end()) {
      STOWAGE_ASSIGN_OR_RETURN(node, Add(*node, here, name));
      continue;
    }
    node = child->second.get();
    if (node->type == ProfileEntry::Type::kSymlink) STOWAGE_RETURN_IF_ERROR(Expand(*node, here));
    if (node->type != ProfileEntry::Type::kDirectory) return nullptr;
  }
  return node;
}

// Makes of a link to a store directory a real one with a link for each name in it; leaves other
// links alone.
absl::Status ProfileForest::Expand(Node& link, const std::string& path) {
  absl::string_view below_store = link.content;
  if (!absl::ConsumePrefix(&below_store, absl::StrCat(kStoreDirectory, "/")))
    return absl::OkStatus();
  const std::string source_path(below_store);
  STOWAGE_ASSIGN_OR_RETURN(StoreLocation location, store_.Follow(source_path));
  if (!IsDirectory(location)) return absl::OkStatus();
  link = Node();
  return Merge(link, path, {{nullptr, source_path, std::move(location)}}, {});
}

absl::StatusOr<bool> ProfileForest::PutDirectory(absl::string_view path, uint32_t mode) {
  STOWAGE_ASSIGN_OR_RETURN(Node * node, RealDirectory(path));
  if (node == nullptr) return false;
  node->mode = mode;
  return true;
}

absl::Status ProfileForest::PutLeaf(absl::string_view path, ProfileEntry::Type type, uint32_t mode,
                                    absl::string_view content) {
  STOWAGE_ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (exists) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(Node * directory, RealDirectory(ParentOf(path)));
  const std::string name(LastComponent(path));
  // The name may be there all the same, a link that leads nowhere.
  if (directory == nullptr || directory->children.count(name) > 0) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(Node * node, Add(*directory, std::string(path), name));
  *node = {type, mode, std::string(content), {}};
  return absl::OkStatus();
}

absl::Status ProfileForest::PutFile(absl::string_view path, absl::string_view content) {
  return PutLeaf(path, ProfileEntry::Type::kFile, 0644, content);
}

absl::Status ProfileForest::PutSymlink(absl::string_view path, absl::string_view target) {
  return PutLeaf(path, ProfileEntry::Type::kSymlink, 0777, target);
}

void ProfileForest::Report(const std::string& path, const Source& kept, const Source& ignored) {
  const bool same_name = PackageName(*kept.package) == PackageName(*ignored.package);
  const auto shown = [same_name](const std::string& base_name) {
    return same_name ? absl::string_view(base_name) : PackageName(base_name);
  };
  conflicts_.push_back(absl::StrCat(ForPeople(path), ": ", shown(*kept.package), " kept, ",
                                    shown(*ignored.package), " ignored"));
}

std::vector<ProfileEntry> ProfileForest::Entries() const {
  std::vector<ProfileEntry> entries;
  Flatten(root_, "", entries);
  return entries;
}

void ProfileForest::Flatten(const Node& directory, const std::string& path,
                            std::vector<ProfileEntry>& entries) const {
  for (const auto& [name, node] : directory.children) {
    const std::string child = Join(path, name);
    entries.push_back({child, node->type, node->mode, node->content});
    Flatten(*node, child, entries);
  }
}

}  // namespace stowage
