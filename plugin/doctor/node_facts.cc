#include "plugin/doctor/node_facts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

TomlPath Below(TomlPath path, const std::string& key) {
  path.push_back(key);
  return path;
}

}  // namespace

CriTables NodeFacts::Cri() const {
  const nlohmann::json* const version = FindIn(containerd.config, {"version"});
  return CriTables::Of(version != nullptr && version->is_number_integer() ? version->get<int>()
                                                                          : 2);
}

const nlohmann::json* NodeFacts::ProxyPlugin() const {
  return FindIn(containerd.config, {"proxy_plugins", name});
}

bool NodeFacts::HasCri() const {
  for (const std::string& id : StringsIn(containerd.config, {"disabled_plugins"}))
    for (const char* cri : {"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images",
                            "io.containerd.cri.v1.runtime", "cri"})
      if (id == cri) return false;
  return true;
}

bool NodeFacts::CriPullsByTransfer() const {
  if (!HasCri() || !containerd.version || !containerd.version->CriPullsByTransfer()) return false;
  const CriTables cri = Cri();
  const nlohmann::json& config = containerd.config;
  // containerd v2.1.9 internal/cri/config/config.go, CheckLocalImagePullConfigs
  return !BoolIn(config, Below(cri.images, "use_local_image_pull"), false) &&
         BoolIn(config, Below(cri.containerd, "disable_snapshot_annotations"), true) &&
         !BoolIn(config, Below(cri.containerd, "discard_unpacked_layers"), false);
}

std::string NodeFacts::CriSnapshotter() const {
  return StringIn(containerd.config, Below(Cri().containerd, "snapshotter"), "overlayfs");
}

std::string NodeFacts::ImageDirectory() const {
  const bool has_exports = containerd.version && containerd.version->HasExports();
  const std::string by_default =
      absl::StrCat(StringIn(containerd.config, {"root"}, "/var/lib/containerd"),
                   "/io.containerd.snapshotter.v1.", name);
  if (!has_exports) return by_default;
  return StringIn(containerd.config, {"proxy_plugins", name, "exports", "root"}, by_default);
}

}  // namespace stowage
