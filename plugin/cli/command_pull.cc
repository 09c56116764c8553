#include "base/status_macros.h"
#include "plugin/cli/commands.h"

namespace stowage {

absl::Status RunPullCommand(const Invocation& invocation, const Environment& environment,
                            const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(const PulledImage pulled, PullImage(invocation, environment, streams));
  PrintWarnings(invocation, WarningsOf(pulled), streams);
  if (invocation.json) {
    streams.out << PulledImageToJson(pulled);
  } else if (invocation.quiet) {
    streams.out << pulled.names.front() << "\n";
  } else {
    streams.out << PulledImageToText(pulled);
  }
  return absl::OkStatus();
}

}  // namespace stowage
