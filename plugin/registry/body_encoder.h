#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugin/registry/accept_encoding.h"

namespace stowage {

// A streaming compressor for the wire: gzip by ISA-L level 2 or zstd level 1 (534 and 527 MB/s per
// core). Its output is never hashed or stored, so it may differ from run to run. One use; not
// thread-safe.
class BodyEncoder {
 public:
  // coding: gzip or zstd. Errors: InvalidArgument for identity, ResourceExhausted without memory.
  static absl::StatusOr<std::unique_ptr<BodyEncoder>> Create(ContentCoding coding);
  virtual ~BodyEncoder() = default;

  // Takes all of `input` and appends what it yields to `output`, which may be nothing before the
  // last call. last: no input follows. Errors: Internal with the compressor's word.
  virtual absl::Status Encode(absl::string_view input, bool last, std::string& output) = 0;
};

}  // namespace stowage
