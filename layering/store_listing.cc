#include "layering/store_listing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/json_bounds.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/store_tree_walk.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

using nlohmann::json;

constexpr size_t kMaxListingDepth = 512;         // two for each directory
constexpr size_t kMaxListingValues = 2'000'000;  // several for each entry
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTargetBytes = 4095;
constexpr size_t kMaxPathBytes = 4095;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 46;

bool IsText(const json& object, const char* member, absl::string_view text) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() &&
         found->get_ref<const std::string&>() == text;
}

absl::Status Wrong(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("listing: '", name, "' ", what));
}

bool HoldsNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

absl::Status CheckName(const std::string& name) {
  const bool valid = !name.empty() && name != "." && name != ".." && name.size() <= kMaxNameBytes &&
                     name.find('/') == std::string::npos && !HoldsNul(name);
  return valid ? absl::OkStatus() : Wrong(name, "is no file name");
}

// Adds the entries of a listing one directory after the other, without recursion: whoever has
// written it decides how deep it is.
class ListingReader {
 public:
  explicit ListingReader(LayerIndex& index) : index_(index) {}

  absl::Status Read(const std::string& base_name, const json& root) {
    STOWAGE_RETURN_IF_ERROR(Add(LayerIndex::kTop, base_name, root, 0));
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next == level.entries->end()) {
        levels_.pop_back();
        continue;
      }
      const auto entry = level.next++;
      STOWAGE_RETURN_IF_ERROR(CheckName(entry.key()));
      STOWAGE_RETURN_IF_ERROR(Add(level.number, entry.key(), entry.value(), level.path_bytes));
    }
    return absl::OkStatus();
  }

 private:
  struct Level {
    const json* entries;
    json::const_iterator next;
    LayerIndex::EntryNumber number;
    size_t path_bytes;
  };

  absl::Status Add(LayerIndex::EntryNumber parent, const std::string& name, const json& value,
                   size_t parent_path_bytes) {
    if (!value.is_object()) return Wrong(name, "is no object");
    if (index_.entry_count() >= kMaxStoreListingEntries)
      return absl::InvalidArgumentError(
          absl::StrCat("listing: has more than ", kMaxStoreListingEntries, " entries"));
    const size_t path_bytes = parent_path_bytes + 1 + name.size();
    if (path_bytes > kMaxPathBytes) return Wrong(name, "has too long a path");
    TarEntry entry;
    entry.path = name;
    const json* entries = nullptr;
    if (IsText(value, "type", "directory")) {
      entry.type = TarEntry::Type::kDirectory;
      entry.mode = 0555;
      const auto found = value.find("entries");
      if (found == value.end() || !found->is_object()) return Wrong(name, "has no valid entries");
      entries = &*found;
    } else if (IsText(value, "type", "symlink")) {
      entry.type = TarEntry::Type::kSymlink;
      entry.mode = 0777;
      const auto found = value.find("target");
      if (found == value.end() || !found->is_string()) return Wrong(name, "has no valid target");
      entry.link_target = found->get_ref<const std::string&>();
      if (entry.link_target.empty() || entry.link_target.size() > kMaxTargetBytes ||
          HoldsNul(entry.link_target))
        return Wrong(name, "has no valid target");
    } else if (IsText(value, "type", "regular")) {
      const auto size = value.find("size");
      if (size == value.end() || !size->is_number_unsigned() ||
          size->get<uint64_t>() > kMaxFileBytes)
        return Wrong(name, "has no valid size");
      const auto executable = value.find("executable");
      entry.mode = executable != value.end() && executable->is_boolean() && executable->get<bool>()
                       ? 0555
                       : 0444;
      entry.size_bytes = size->get<uint64_t>();
    } else {
      return Wrong(name, "has no valid type");
    }
    STOWAGE_ASSIGN_OR_RETURN(const LayerIndex::EntryNumber number, index_.Add(parent, entry));
    if (entries != nullptr) levels_.push_back({entries, entries->begin(), number, path_bytes});
    return absl::OkStatus();
  }

  LayerIndex& index_;
  std::vector<Level> levels_;
};

// The store path that a link leads into, going by names only; "" for none.
std::string LinkedStorePath(absl::string_view link_path, absl::string_view target) {
  std::vector<absl::string_view> parts;  // below the store
  if (absl::ConsumePrefix(&target, absl::StrCat(kStoreDirectory, "/"))) {
    parts = {};
  } else if (target[0] == '/') {
    return "";
  } else {
    parts = absl::StrSplit(link_path, '/', absl::SkipEmpty());
    parts.pop_back();
  }
  for (const absl::string_view part : absl::StrSplit(target, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return "";
    } else {
      parts.pop_back();
    }
  }
  return parts.empty() ? "" : std::string(parts[0]);
}

absl::Status MakeEntry(int store_fd, const TarEntry& entry) {
  std::string path(entry.path);
  int result = 0;
  switch (entry.type) {
    case TarEntry::Type::kDirectory:
      result = ::mkdirat(store_fd, path.c_str(), 0755);
      break;
    case TarEntry::Type::kSymlink:
      result = ::symlinkat(std::string(entry.link_target).c_str(), store_fd, path.c_str());
      break;
    case TarEntry::Type::kFile:
      result = ::mknodat(store_fd, path.c_str(), S_IFREG | 0644, 0);
      break;
  }
  if (result == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("make ", path));
}

}  // namespace

absl::StatusOr<LayerIndex> ParseStoreListing(const std::string& base_name, absl::string_view text) {
  if (text.size() > kMaxStoreListingBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("listing: is longer than ", kMaxStoreListingBytes, " bytes"));
  STOWAGE_RETURN_IF_ERROR(CheckJsonBounds(text, kMaxListingDepth, kMaxListingValues));
  const json document = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return absl::InvalidArgumentError("listing: is no JSON object");
  if (document.value("version", json()) != 1)
    return absl::InvalidArgumentError("listing: is not of version 1");
  const auto root = document.find("root");
  if (root == document.end()) return absl::InvalidArgumentError("listing: has no root");
  LayerIndex tree;
  STOWAGE_RETURN_IF_ERROR(ListingReader(tree).Read(base_name, *root));
  return tree;
}

absl::StatusOr<LayerIndex> ReadStoreTree(const std::string& store_directory,
                                         const std::string& base_name) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(AT_FDCWD, store_directory, O_PATH | O_DIRECTORY));
  LayerIndex tree;
  STOWAGE_RETURN_IF_ERROR(
      AddTree({store.get(), store_directory}, base_name, ModeRule::kStore, LayerIndex::kTop, tree));
  return tree;
}

Digest StoreTreeDigest(const LayerIndex& tree) {
  Sha256Hasher hasher;
  std::string header;
  for (LayerIndex::EntryNumber number = 0; number < tree.entry_count(); ++number) {
    const LayerIndex::Located located(tree, number);
    header.clear();
    AppendTarHeader(located.entry(), &header);
    hasher.Update(header);
  }
  return hasher.Finish();
}

std::vector<std::string> LinkedStorePaths(const LayerIndex& tree) {
  absl::btree_set<std::string> linked;
  for (LayerIndex::EntryNumber number = 0; number < tree.entry_count(); ++number) {
    const LayerIndex::Located located(tree, number);
    const TarEntry& entry = located.entry();
    if (entry.type != TarEntry::Type::kSymlink) continue;
    std::string base_name = LinkedStorePath(entry.path, entry.link_target);
    if (!base_name.empty() && base_name != entry.path.substr(0, entry.path.find('/')))
      linked.insert(std::move(base_name));
  }
  return std::vector<std::string>(linked.begin(), linked.end());
}

absl::Status WriteStoreSkeleton(const LayerIndex& tree, const std::string& store_directory) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd store,
                           OpenAt(AT_FDCWD, store_directory, O_PATH | O_DIRECTORY));
  for (LayerIndex::EntryNumber number = 0; number < tree.entry_count(); ++number) {
    const LayerIndex::Located located(tree, number);
    STOWAGE_RETURN_IF_ERROR(MakeEntry(store.get(), located.entry()));
  }
  return absl::OkStatus();
}

}  // namespace stowage
