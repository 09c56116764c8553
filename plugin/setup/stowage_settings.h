#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugin/config/config.h"

namespace stowage {

// What containerd's configuration has to agree with.
struct StowageSettings {
  Config config;
  bool found = false;  // false: there is no file, all values are the defaults
  std::string
      endpoint;  // "http://127.0.0.1:5080": where clients of this machine reach it; "" if off
};

// Reads stowaged's configuration. defaults: of the keys that it does not have. Errors: as
// LoadConfig, but a file that is not there is none.
absl::StatusOr<StowageSettings> ReadStowageSettings(const std::string& path,
                                                    const Config& defaults = Config());

// The URL of the endpoint that listens on `registry_address`, as seen from this machine; "" where
// there is none that could be named (off, or a port that is chosen at each start).
std::string EndpointOf(absl::string_view registry_address);

}  // namespace stowage
