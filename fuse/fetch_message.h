#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// What stowage-fuse and stowaged tell each other about promised objects (docs/fuse.md, "Promised
// objects"): one message per packet of a SOCK_SEQPACKET socket.
struct FetchMessage {
  enum class Kind : uint16_t {
    kFetch = 1,    // to stowaged: somebody waits for the object
    kForget = 2,   // to stowaged: nobody waits for it any longer
    kFetched = 3,  // to stowage-fuse: its index file is there
    kFailed = 4,   // to stowage-fuse: it cannot be had now
  };

  Kind kind;
  uint64_t object_number;

  friend bool operator==(const FetchMessage&, const FetchMessage&) = default;
};

// Longer packets are none of ours; a reader gives recv(2) one byte more than this.
inline constexpr size_t kFetchMessageBytes = 16;

// The socket's name in the state directory.
inline constexpr char kFetchSocketName[] = "fetch.sock";
// The directory in the state directory with one file per promised object, named by its number.
inline constexpr char kPromisesName[] = "promises";

std::string EncodeFetchMessage(const FetchMessage& message);

// Errors: InvalidArgument for another size, version, kind, or an object number that none can have.
absl::StatusOr<FetchMessage> ParseFetchMessage(absl::string_view packet);

}  // namespace stowage
