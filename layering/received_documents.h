#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "nix/closure.h"

namespace stowage {

// Readers of documents that another Stowage has sent (docs/image-format.md). Their form is not
// trusted: whatever the bytes are, the result is a value within the bounds below or an error. What
// they take need not be in canonical form: who cares encodes the result again and compares digests.
// Pure; thread-safe.

inline constexpr size_t kMaxManifestBytes = size_t{1} << 20;
inline constexpr size_t kMaxClosureDocumentBytes = size_t{16} << 20;
inline constexpr size_t kMaxClosurePaths = 20'000;
inline constexpr uint64_t kMaxPathNarBytes = uint64_t{1} << 46;

struct ReceivedLayer {
  Digest diff_id;
  uint64_t size_bytes;  // of the tar, less than 2^63
};

struct ReceivedManifest {
  Digest digest;  // of the bytes
  Digest config_digest;
  Digest closure_digest;
  std::vector<ReceivedLayer> layers;  // base first, at least one; the last is the profile layer
};

// Errors: InvalidArgument saying what is wrong; FailedPrecondition for an index of several systems.
absl::StatusOr<ReceivedManifest> ParseManifest(absl::string_view text);

struct ReceivedClosure {
  Closure closure;                            // no roots: the document does not name them
  std::vector<std::vector<uint32_t>> layers;  // indices into closure.objects, base first
};

// Errors: InvalidArgument saying what is wrong.
absl::StatusOr<ReceivedClosure> ParseClosureDocument(absl::string_view text);

}  // namespace stowage
