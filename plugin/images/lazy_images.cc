#include "plugin/images/lazy_images.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "nix/valid_paths.h"
#include "plugin/images/object_paths.h"
#include "plugin/images/profile_record.h"

namespace stowage {
namespace {

using nlohmann::json;

// Each path by itself: as long as what refers to it is not valid, its root protects nothing else.
absl::Status RootEveryPath(LayerCatalog& catalog, const LayerRecord& layer) {
  if (layer.kind == LayerKind::kProfile) return absl::OkStatus();
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                           catalog.table().Objects({layer.id}));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<StorePath> paths, PathsOf(objects));
  return catalog.AddRoots(layer, paths);
}

// Nothing if a path is valid with other contents.
absl::StatusOr<std::optional<std::vector<int64_t>>> MissingObjects(
    ClosureReader& closures, const std::vector<ObjectRecord>& objects) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<StorePath> paths, PathsOf(objects));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::optional<Digest>> hashes,
                           closures.NarHashes(paths));
  std::vector<int64_t> missing;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!hashes[i]) {
      missing.push_back(objects[i].number);
    } else if (*hashes[i] != objects[i].nar_hash) {
      return std::optional<std::vector<int64_t>>();
    }
  }
  return missing;
}

// "/bin/hello" of an image config; "" if it has no command.
std::string FirstWordOfCommand(const std::string& config_text) {
  const json config = json::parse(config_text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains("config")) return "";
  const json& settings = config["config"];
  if (!settings.is_object() || !settings.contains("Cmd")) return "";
  const json& words = settings["Cmd"];
  return words.is_array() && !words.empty() && words[0].is_string() ? words[0].get<std::string>()
                                                                    : "";
}

// The base name of the store path that the first link on the way to `path` in the profile leads to;
// "" if none does.
std::string LinkedStorePath(const std::string& profile_directory, const std::string& path) {
  std::string place = profile_directory;
  for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    absl::StrAppend(&place, "/", name);
    const absl::StatusOr<std::string> target = ReadLinkAt(AT_FDCWD, place);
    if (!target.ok()) continue;  // a directory
    absl::string_view rest = *target;
    if (!absl::ConsumePrefix(&rest, absl::StrCat(kStoreDirectory, "/"))) return "";
    return std::string(rest.substr(0, rest.find('/')));
  }
  return "";
}

}  // namespace

absl::StatusOr<bool> HoldLazily(const LazyHolding& holding, absl::Span<const int64_t> layers,
                                absl::Time until, const CallLimits& limits) {
  LayerCatalog& catalog = holding.catalog;
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records, catalog.table().FindAll(layers));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                           catalog.table().Objects(layers));
  for (const LayerRecord& layer : records)
    if (layer.kind == LayerKind::kProfile && !catalog.RestoreProfile(layer).ok()) return false;
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd no_collection, KeepCollectionAway(holding.nix, limits));
  // Looked at before anything is rooted: roots that are taken back could be those that somebody
  // else has claimed for the same layer meanwhile.
  STOWAGE_ASSIGN_OR_RETURN(const std::optional<std::vector<int64_t>> missing,
                           MissingObjects(holding.closures, objects));
  if (!missing) return false;
  for (const LayerRecord& layer : records) STOWAGE_RETURN_IF_ERROR(RootEveryPath(catalog, layer));
  STOWAGE_FAULT_POINT("lazy.hold.rooted");
  STOWAGE_RETURN_IF_ERROR(catalog.views().Promise(*missing));
  STOWAGE_FAULT_POINT("lazy.hold.promised");
  STOWAGE_RETURN_IF_ERROR(catalog.table().SetRooted(layers, true));
  STOWAGE_RETURN_IF_ERROR(catalog.table().Hold(layers, until));
  // What is valid in Nix's database can still be gone from disk.
  STOWAGE_RETURN_IF_ERROR(catalog.CheckPresent(layers));
  return true;
}

absl::StatusOr<std::optional<int64_t>> ObjectOfCommand(const ImageRecord& image,
                                                       absl::Span<const int64_t> layers,
                                                       ImageTable& images, LayerCatalog& catalog) {
  STOWAGE_ASSIGN_OR_RETURN(const DocumentPointer config, images.FindDocument(image.config_digest));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<LayerRecord> records, catalog.table().FindAll(layers));
  const std::string command = FirstWordOfCommand(config->content);
  std::string base_name;
  for (const LayerRecord& layer : records)
    if (layer.kind == LayerKind::kProfile && !command.empty())
      base_name = LinkedStorePath(catalog.ProfileDirectory(layer), command);
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<ObjectRecord> objects,
                           catalog.table().Objects(layers));
  for (const ObjectRecord& object : objects)
    if (object.base_name == base_name) return object.number;
  return std::nullopt;
}

}  // namespace stowage
