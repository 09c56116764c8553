#include <vector>

#include "base/status_macros.h"
#include "plugin/cli/commands.h"

namespace stowage {

absl::Status RunResolveCommand(const Invocation& invocation, const Environment& environment,
                               const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(const v1::ResolvedImage image,
                           ResolveWithProgress(invocation, environment, streams));
  PrintWarnings(invocation, {image.warnings().begin(), image.warnings().end()}, streams);
  if (invocation.json) {
    streams.out << ImageToJson(image, invocation.layers);
  } else {
    streams.out << ImageToText(image, invocation.layers);
  }
  return absl::OkStatus();
}

}  // namespace stowage
