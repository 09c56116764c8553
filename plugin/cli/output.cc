#include "plugin/cli/output.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "plugin/cli/human_units.h"
#include "plugin/cli/terminal_text.h"

namespace stowage {
namespace {

using nlohmann::json;

uint64_t LayersSizeBytes(const v1::ResolvedImage& image) {
  uint64_t size = 0;
  for (const v1::Layer& layer : image.layers()) size += layer.size_bytes();
  return size;
}

// "Image ID:     sha256:..." ; empty values have no line.
void AppendField(std::string& text, absl::string_view name, absl::string_view value) {
  if (!value.empty())
    absl::StrAppendFormat(&text, "%-13s %s\n", absl::StrCat(name, ":"), PrintableLine(value));
}

std::string NameWithTag(const v1::ResolvedImage& image) {
  return absl::StrCat(image.name(), ":", image.tag());
}

json StringList(const google::protobuf::RepeatedPtrField<std::string>& strings) {
  json list = json::array();
  for (const std::string& text : strings) list.push_back(text);
  return list;
}

json ImageObject(const v1::ResolvedImage& image, bool with_layers) {
  json object = {{"name", image.name()},
                 {"tag", image.tag()},
                 {"source", image.source()},
                 {"revision", image.revision()},
                 {"platform", image.platform()},
                 {"manifest_digest", image.manifest_digest()},
                 {"image_id", image.config_digest()},
                 {"chain_id", image.chain_id()},
                 {"layer_count", image.layers_size()},
                 {"size_bytes", LayersSizeBytes(image)},
                 {"store_path_count", image.store_path_count()},
                 {"nar_size_bytes", image.nar_size_bytes()},
                 {"from_cache", image.from_cache()},
                 {"promised_path_count", image.promised_path_count()},
                 {"provisional", image.provisional()},
                 {"warnings", StringList(image.warnings())}};
  if (!with_layers) return object;
  object["layers"] = json::array();
  for (const v1::Layer& layer : image.layers()) {
    object["layers"].push_back({{"diff_id", layer.diff_id()},
                                {"size_bytes", layer.size_bytes()},
                                {"store_paths", StringList(layer.store_paths())}});
  }
  return object;
}

std::string Line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json LazyImages(const v1::StatusResponse& status) {
  json images = json::array();
  for (const v1::LazyImage& image : status.lazy_images())
    images.push_back(
        {{"name", image.name()}, {"present", image.present()}, {"total", image.total()}});
  return images;
}

json FailedFetches(const v1::StatusResponse& status) {
  json failures = json::array();
  for (const v1::FailedFetch& failed : status.failed_fetches())
    failures.push_back({{"store_path", failed.store_path()}, {"error", failed.error()}});
  return failures;
}

}  // namespace

std::string ImageToJson(const v1::ResolvedImage& image, bool with_layers) {
  return Line(ImageObject(image, with_layers));
}

std::string PulledImageToJson(const PulledImage& pulled) {
  return Line({{"image", ImageObject(pulled.image, /*with_layers=*/false)},
               {"names", pulled.names},
               {"namespace", pulled.containerd_namespace},
               {"snapshotter", pulled.snapshotter},
               {"shadowed_by_ordinary_snapshot", pulled.shadowed_by_ordinary_snapshot},
               {"replaced_ordinary_snapshot", pulled.replaced_ordinary_snapshot}});
}

std::string StatusToJson(const v1::StatusResponse& status) {
  return Line({{"version", status.version()},
               {"registry_address", status.registry_address()},
               {"snapshotter_socket", status.snapshotter_socket()},
               {"fuse_mountpoint", status.fuse_mountpoint()},
               {"fuse_mounted", status.fuse_mounted()},
               {"fuse_data", status.fuse_data()},
               {"fuse_extended_attributes",
                status.fuse_mounted() && !status.fuse_without_extended_attributes()},
               {"driver", status.driver()},
               {"driver_reason", status.driver_reason()},
               {"source", status.source()},
               {"lazy_images", LazyImages(status)},
               {"fetching", StringList(status.fetching())},
               {"failed_fetches", FailedFetches(status)},
               {"wrong_records", StringList(status.wrong_records())}});
}

std::string ErrorToJson(const absl::Status& error) {
  return Line({{"error",
                {{"code", absl::StatusCodeToString(error.code())},
                 {"message", std::string(error.message())}}}});
}

std::string ImageToText(const v1::ResolvedImage& image, bool with_layers) {
  std::string text;
  AppendField(text, "Name", NameWithTag(image));
  AppendField(text, "Source", image.source());
  AppendField(text, "Revision", image.revision());
  AppendField(text, "Platform", image.platform());
  AppendField(text, "Manifest", image.manifest_digest());
  AppendField(text, "Image ID", image.config_digest());
  AppendField(text, "Layers",
              absl::StrCat(image.layers_size(), " (", HumanBytes(LayersSizeBytes(image)), ")"));
  AppendField(
      text, "Store paths",
      absl::StrCat(image.store_path_count(), " (", HumanBytes(image.nar_size_bytes()), ")"));
  if (!with_layers) return text;
  for (int i = 0; i < image.layers_size(); ++i) {
    const v1::Layer& layer = image.layers(i);
    absl::StrAppend(&text, "\nLayer ", i + 1, "  ", PrintableLine(layer.diff_id()), "  ",
                    HumanBytes(layer.size_bytes()), "\n");
    if (layer.store_paths().empty()) absl::StrAppend(&text, "  (profile)\n");
    for (const std::string& path : layer.store_paths())
      absl::StrAppend(&text, "  ", PrintableLine(path), "\n");
  }
  return text;
}

std::string PulledImageToText(const PulledImage& pulled) {
  const v1::ResolvedImage& image = pulled.image;
  std::string text;
  AppendField(text, "Names", absl::StrJoin(pulled.names, " "));
  AppendField(
      text, "Image ID",
      absl::StrCat(image.config_digest(), image.provisional() ? " (provisional, here only)" : ""));
  AppendField(text, "Revision", image.revision());
  AppendField(text, "Layers",
              absl::StrCat(image.layers_size(), " (", HumanBytes(LayersSizeBytes(image)), ") of ",
                           image.store_path_count(), " store paths"));
  if (image.promised_path_count() > 0)
    AppendField(text, "Promised",
                absl::StrCat(image.promised_path_count(),
                             " store paths come when they are needed, see 'stowage status'"));
  if (pulled.replaced_ordinary_snapshot)
    AppendField(text, "Replaced", "the copy that another client had unpacked");
  return text;
}

std::string StatusToText(const v1::StatusResponse& status) {
  const auto or_off = [](const std::string& value) { return value.empty() ? "off" : value; };
  std::string text;
  AppendField(text, "Version", status.version());
  AppendField(text, "Source", status.source());
  AppendField(text, "Registry", or_off(status.registry_address()));
  AppendField(text, "Snapshotter", or_off(status.snapshotter_socket()));
  std::string how = status.fuse_mounted() ? status.fuse_data() : "not mounted";
  if (status.fuse_without_extended_attributes()) how += ", no extended attributes";
  const std::string mount =
      absl::StrCat(status.fuse_mountpoint(), how.empty() ? "" : absl::StrCat(" (", how, ")"));
  AppendField(text, "FUSE mount", status.fuse_mountpoint().empty() ? "off" : mount);
  if (!status.driver().empty())
    AppendField(text, "Driver", absl::StrCat(status.driver(), " (", status.driver_reason(), ")"));
  for (const v1::LazyImage& image : status.lazy_images())
    AppendField(text, "Lazy image",
                absl::StrCat(image.name(), ": ", image.present(), " of ", image.total(),
                             " store paths are there"));
  for (const std::string& path : status.fetching()) AppendField(text, "Fetching", path);
  for (const v1::FailedFetch& failed : status.failed_fetches())
    AppendField(text, "Not fetched", absl::StrCat(failed.store_path(), ": ", failed.error()));
  for (const std::string& record : status.wrong_records())
    AppendField(text, "Wrong record", record);
  return text;
}

std::vector<std::string> WarningsOf(const PulledImage& pulled) {
  std::vector<std::string> warnings(pulled.image.warnings().begin(), pulled.image.warnings().end());
  if (pulled.shadowed_by_ordinary_snapshot) {
    warnings.push_back(absl::StrCat(
        "containerd has unpacked this image's layers before, in namespace '",
        pulled.containerd_namespace,
        "': containers use that copy, which takes disk space of its own. To use the Nix store "
        "instead, pull with --replace"));
  }
  return warnings;
}

}  // namespace stowage
