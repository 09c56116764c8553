#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "plugin/cli/commands.h"
#include "plugin/cli/control_client.h"

namespace stowage {
namespace {

constexpr absl::Duration kStatusTimeout = absl::Seconds(10);

}  // namespace

absl::Status RunStatusCommand(const Invocation& invocation, const Streams& streams) {
  STOWAGE_ASSIGN_OR_RETURN(
      const ControlClient control,
      ControlClient::Connect(invocation.control_socket, AsksOwnStowaged(invocation)));
  STOWAGE_ASSIGN_OR_RETURN(const v1::StatusResponse status,
                           control.Status(absl::Now() + kStatusTimeout));
  streams.out << (invocation.json ? StatusToJson(status) : StatusToText(status));
  return absl::OkStatus();
}

}  // namespace stowage
