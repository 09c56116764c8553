#include "fuse/data_mode.h"

#include "absl/strings/str_cat.h"
#include "fuse/passthrough_probe.h"

namespace stowage {

absl::string_view DataModeName(DataMode mode) {
  return mode == DataMode::kPassthrough ? "passthrough" : "cached";
}

absl::StatusOr<DataMode> ChooseDataMode(absl::string_view wanted, int store_directory_fd,
                                        const LogFunction& log) {
  if (wanted == "cached") return DataMode::kCached;
  const bool must = wanted == "passthrough";
  if (!must && wanted != "auto")
    return absl::InvalidArgumentError(
        absl::StrCat("data mode '", wanted, "' is none; there are cached, passthrough, auto"));
  const absl::Status works = ProbePassthrough(store_directory_fd);
  if (works.ok()) return DataMode::kPassthrough;
  if (must)
    return absl::FailedPreconditionError(
        absl::StrCat("data mode passthrough: ", works.message(),
                     "; choose cached, or auto, which takes cached where passthrough fails"));
  log(LogLevel::kInfo, absl::StrCat("passthrough_unavailable error=\"", works.message(), "\""));
  return DataMode::kCached;
}

}  // namespace stowage
