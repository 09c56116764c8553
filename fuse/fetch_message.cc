#include "fuse/fetch_message.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fuse/nodeid.h"

namespace stowage {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kMagic = 0x66777473;  // "stwf"
constexpr uint16_t kVersion = 1;

struct Packet {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;
  uint64_t object_number;
};
static_assert(sizeof(Packet) == kFetchMessageBytes);

}  // namespace

std::string EncodeFetchMessage(const FetchMessage& message) {
  const Packet packet = {kMagic, kVersion, static_cast<uint16_t>(message.kind),
                         message.object_number};
  return std::string(reinterpret_cast<const char*>(&packet), sizeof packet);
}

absl::StatusOr<FetchMessage> ParseFetchMessage(absl::string_view bytes) {
  Packet packet;
  if (bytes.size() != sizeof packet)
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", bytes.size(), " bytes instead of ", sizeof packet));
  std::memcpy(&packet, bytes.data(), sizeof packet);
  if (packet.magic != kMagic) return absl::InvalidArgumentError("no message of Stowage's");
  if (packet.version != kVersion)
    return absl::InvalidArgumentError(
        absl::StrCat("a message of version ", packet.version, ", this program knows ", kVersion));
  if (packet.kind < static_cast<uint16_t>(FetchMessage::Kind::kFetch) ||
      packet.kind > static_cast<uint16_t>(FetchMessage::Kind::kFailed))
    return absl::InvalidArgumentError(absl::StrCat("a message of unknown kind ", packet.kind));
  if (packet.object_number < 1 || packet.object_number > kMaxObjectNumber)
    return absl::InvalidArgumentError(
        absl::StrCat("a message about object ", packet.object_number, ", which cannot be"));
  return FetchMessage{static_cast<FetchMessage::Kind>(packet.kind), packet.object_number};
}

}  // namespace stowage
