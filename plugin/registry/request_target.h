#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// What the path of a request asks for (distribution-spec, "Endpoints").
enum class RegistryEndpoint {
  kPing,         // /v2/
  kPingNoSlash,  // /v2
  kManifest,     // /v2/<name>/manifests/<reference>
  kBlob,         // /v2/<name>/blobs/<digest>
  kTags,         // /v2/<name>/tags/list
  kReferrers,    // /v2/<name>/referrers/<digest>
  kUnknown,      // any other path
};

// A request target taken apart and percent-decoded. name and reference are as the client wrote
// them: not yet checked.
struct RequestTarget {
  RegistryEndpoint endpoint = RegistryEndpoint::kUnknown;
  std::string name;
  std::string reference;  // tag or digest
  // Query parameters; the first of several with one name counts. Others are ignored.
  std::string mirror_of;                 // ?ns=, "" without one
  std::optional<std::string> page_size;  // ?n=
  std::optional<std::string> last;
  std::optional<std::string> artifact_type;
};

// Takes a request target apart: "/v2/..." or, as RFC 9112 (3.2.2) demands, "http://host/v2/...".
// Errors: InvalidArgument for a bad percent escape, an escaped control character or a target of
// another form. Pure.
absl::StatusOr<RequestTarget> ParseRequestTarget(absl::string_view target);

// "<name>" of the distribution-spec: lower-case components joined by '/', 255 bytes at most.
// Errors: InvalidArgument saying what is wrong.
absl::Status ValidateRepositoryName(absl::string_view name);

// "<reference>" as a tag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
bool IsValidTag(absl::string_view tag);

// A host as it may stand in ?ns=: letters, digits, ".-_:[]", 255 bytes at most.
bool IsValidMirrorHost(absl::string_view host);

// True for a digest by the grammar of image-spec whose algorithm is not sha256: nothing is wrong
// with it, but nothing can be found under it.
bool IsForeignDigest(absl::string_view digest);

}  // namespace stowage
