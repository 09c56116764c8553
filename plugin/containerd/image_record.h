#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "base/digest.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

struct ImageRecord {
  std::string name;
  std::string media_type;
  Digest manifest_digest;
  int64_t manifest_size_bytes = 0;
  std::map<std::string, std::string> labels;
};

// Creates the image record, or points the one of that name at this manifest and sets these labels
// (others stay). Errors: what containerd answered.
absl::Status WriteImageRecord(const CallScope& scope, const ImageRecord& record);

}  // namespace stowage
