#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "layering/profile.h"
#include "layering/received_documents.h"
#include "nix/call_limits.h"

namespace stowage {

// Another Stowage whose records of images are believed, once it has shown that it is that one.
struct RecordSourceOptions {
  std::string url;               // CheckServerUrl takes it; "" for none
  std::string ca_file;           // PEM; "": the system's certificate authorities
  std::string credentials_file;  // "" for none; see ReadCredentials
};

// What is recorded of an image there. Each part is what its digest in the manifest says; nothing
// else is checked.
struct ReceivedImage {
  ReceivedManifest manifest;
  ReceivedClosure closure;
  Profile profile;
};

// The value of the header Authorization: of a file with one line "USER:PASSWORD" (RFC 7617) or
// "bearer TOKEN" (RFC 6750). Errors: NotFound; FailedPrecondition if other users may read the file;
// InvalidArgument for anything else in it; no message repeats what it holds.
absl::StatusOr<std::string> ReadCredentials(const std::string& file);

// Gets what the other Stowage has recorded of an image, in three requests at most, without
// following redirects. Blocks for a minute at most.
//
// name: ImageReference::name(). tag: a tag or a revision.
// Errors: NotFound if it has no such image; PermissionDenied if it refuses the credentials;
// Unavailable if it cannot be reached, is not the one that the certificate authorities know, or
// cannot answer now; DataLoss for a part that is not what its digest says; InvalidArgument for one
// that is not as docs/image-format.md has it; ResourceExhausted for one beyond the bounds of
// layering/received_documents.h; DeadlineExceeded, Cancelled. All name the URL. Thread-safe.
absl::StatusOr<ReceivedImage> FetchRecord(const RecordSourceOptions& source,
                                          const std::string& name, const std::string& tag,
                                          const CallLimits& limits);

}  // namespace stowage
