#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// What a failed request was about; decides the code of a 404 and of a 400.
enum class RegistrySubject { kManifest, kBlob, kName, kDigest };

// A failure as clients see it. containerd shows only status and reason phrase, docker and skopeo
// show the message, so every error says the same thing in both.
struct RegistryError {
  int status = 500;
  std::string code;     // of the distribution-spec, "Error Codes"; UNKNOWN and UNAVAILABLE for 5xx
  std::string message;  // the whole text
  std::string detail;   // what was asked for, "" for nothing

  // {"errors":[..]} with reason phrase, and Retry-After where another try can help.
  HttpResponse ToResponse() const;
};

// The edge between absl::Status and HTTP. ResourceExhausted is 503 and not 507: mostly it means too
// many evaluations at once, containerd tries a 503 once more, and a full disk says so again then.
// status must not be OK. Pure.
RegistryError ToRegistryError(const absl::Status& status, RegistrySubject subject,
                              absl::string_view detail);

// The first line of a message that has anything in it as an HTTP reason phrase: printable ASCII,
// colour escapes removed, anything else as '?', at most 200 bytes. Pure.
std::string ToReasonPhrase(absl::string_view message);

}  // namespace stowage
