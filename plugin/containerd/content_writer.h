#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

struct ContentBlob {
  std::string ref;  // key of the upload; containerd locks it while somebody writes under it
  Digest digest;
  absl::string_view bytes;
  std::map<std::string, std::string> labels;
};

// Puts a blob with its labels into containerd's content store; one that is there already gets the
// labels only. Waits (until the deadline, 10 s at most) while another client writes under the same
// ref. Errors: what containerd answered; FailedPrecondition when the bytes do not have that digest.
absl::Status WriteContent(const CallScope& scope, const ContentBlob& blob);

}  // namespace stowage
