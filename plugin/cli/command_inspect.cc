#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugin/cli/commands.h"
#include "plugin/cli/control_client.h"

namespace stowage {
namespace {

constexpr absl::Duration kInspectTimeout = absl::Seconds(30);

}  // namespace

absl::Status RunInspectCommand(const Invocation& invocation, const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(
      const ControlClient control,
      ControlClient::Connect(invocation.control_socket, AsksOwnStowaged(invocation)));
  STOWAGE_ASSIGN_OR_RETURN(const v1::ResolvedImage image,
                           control.Inspect(invocation.reference, absl::Now() + kInspectTimeout));
  PrintWarnings(invocation, {image.warnings().begin(), image.warnings().end()}, streams);
  if (invocation.json) {
    streams.out << ImageToJson(image, invocation.layers);
  } else {
    streams.out << ImageToText(image, invocation.layers);
  }
  return absl::OkStatus();
}

}  // namespace stowage
