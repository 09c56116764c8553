#include "plugin/setup/stowage_settings.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace stowage {

std::string EndpointOf(absl::string_view registry_address) {
  const size_t colon = registry_address.rfind(':');
  if (colon == absl::string_view::npos) return "";
  const absl::string_view host = registry_address.substr(0, colon);
  const absl::string_view port = registry_address.substr(colon + 1);
  if (port.empty() || port == "0") return "";
  return absl::StrCat("http://", host == "0.0.0.0" ? "127.0.0.1" : host, ":", port);
}

absl::StatusOr<StowageSettings> ReadStowageSettings(const std::string& path,
                                                    const Config& defaults) {
  StowageSettings settings;
  settings.config = defaults;
  auto config = LoadConfig(path, defaults);
  if (config.ok()) {
    settings.config = *std::move(config);
    settings.found = true;
  } else if (!absl::IsNotFound(config.status())) {
    return config.status();
  }
  settings.endpoint = EndpointOf(settings.config.registry_address);
  return settings;
}

}  // namespace stowage
