#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/stowage/stowage.pb.h"

namespace stowage {

// What `pull` did.
struct PulledImage {
  v1::ResolvedImage image;
  std::vector<std::string> names;
  std::string containerd_namespace;
  std::string snapshotter;
  bool shadowed_by_ordinary_snapshot = false;
  bool replaced_ordinary_snapshot = false;
};

// What --json prints: one object on one line, with its end. Keys never change their meaning; new
// ones may come. Text that is no UTF-8 has U+FFFD in it.
std::string ImageToJson(const v1::ResolvedImage& image, bool with_layers);
std::string PulledImageToJson(const PulledImage& pulled);
std::string StatusToJson(const v1::StatusResponse& status);
// {"error": {"code": "NOT_FOUND", "message": "..."}}; code is the name of the gRPC code.
std::string ErrorToJson(const absl::Status& error);

// The same for people, every line ended; without the warnings.
std::string ImageToText(const v1::ResolvedImage& image, bool with_layers);
std::string PulledImageToText(const PulledImage& pulled);
std::string StatusToText(const v1::StatusResponse& status);

// What a user of a pulled image should know besides: the daemon's warnings and our own, one a line.
std::vector<std::string> WarningsOf(const PulledImage& pulled);

}  // namespace stowage
