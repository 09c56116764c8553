#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "layering/image_documents.h"
#include "layering/json_document.h"

namespace stowage {
namespace {

// A real time of build would give each build an image ID of its own. One second after the epoch,
// as in the store and the layers: some tools take 0 for "unknown".
constexpr absl::string_view kCreated = "1970-01-01T00:00:01Z";

// Long enough for what people read; a tail layer can hold thousands of packages.
constexpr size_t kMaxHistoryLineBytes = 200;

std::string HistoryLine(const ImageLayer& layer) {
  std::string line = layer.is_profile ? "stowage profile" : "stowage";
  const size_t count = layer.package_names.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = layer.package_names[i];
    if (i > 0 && line.size() + 1 + name.size() > kMaxHistoryLineBytes) {
      absl::StrAppend(&line, " and ", count - i, " more");
      break;
    }
    absl::StrAppend(&line, i == 0 ? ": " : " ", name);
  }
  return line;
}

}  // namespace

absl::StatusOr<Document> EncodeImageConfig(const ImageDescription& image) {
  nlohmann::json history = nlohmann::json::array();
  nlohmann::json diff_ids = nlohmann::json::array();
  for (const ImageLayer& layer : image.layers) {
    history.push_back({{"created", kCreated}, {"created_by", HistoryLine(layer)}});
    diff_ids.push_back(layer.diff_id.ToString());
  }
  nlohmann::json run = nlohmann::json::object();
  if (!image.command.empty()) run["Cmd"] = image.command;
  if (!image.environment.empty()) run["Env"] = image.environment;
  if (!image.labels.empty()) run["Labels"] = image.labels;
  return JsonDocument({{"architecture", image.architecture},
                       {"config", std::move(run)},
                       {"created", kCreated},
                       {"history", std::move(history)},
                       {"os", "linux"},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}},
                      kConfigMediaType);
}

}  // namespace stowage
