#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "layering/document.h"
#include "layering/layer_archive.h"

namespace stowage {

// What a blob digest stands for.
using Blob = std::variant<DocumentPointer, std::shared_ptr<const LayerArchive>>;

struct ManifestRequest {
  std::string name;  // repository as it stands in the URL: "nix/shell/git" or "shell/git"
  std::string tag;
  std::string mirror_of;  // value of ?ns=, the host that the client believes to ask; "" without one
};

struct Referrer {
  std::string artifact_type;
  DocumentPointer manifest;
};

// Where the registry endpoint gets images from. All methods are thread-safe. Callbacks run exactly
// once, on any thread, also on the caller's before the method returns; a client that has gone does
// not stop what was started for it.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  // The manifest of name:tag; runs Nix when it is not cached, which may take minutes.
  // Errors: InvalidArgument (bad name or tag), NotFound (no such package or tag; the message names
  // it), FailedPrecondition (evaluation or build failed; the message has Nix's reason in its first
  // line), Unavailable (source cannot be reached), DeadlineExceeded, ResourceExhausted.
  virtual void ResolveManifest(const ManifestRequest& request,
                               std::function<void(absl::StatusOr<DocumentPointer>)> done) = 0;

  // A manifest made here before. Errors: NotFound. Does not block.
  virtual absl::StatusOr<DocumentPointer> FindManifest(const Digest& digest) = 0;

  // A config, closure document or layer. Indexing a layer's files takes time, so the answer comes
  // by callback. Errors: NotFound, also for layers whose store paths were collected.
  virtual void OpenBlob(const Digest& digest, std::function<void(absl::StatusOr<Blob>)> done) = 0;

  // Size of a blob for HEAD. Errors: NotFound. Does not block.
  virtual absl::StatusOr<uint64_t> BlobSize(const Digest& digest) = 0;

  // Tags under which this name was resolved here, sorted. Errors: NotFound, InvalidArgument.
  virtual absl::StatusOr<std::vector<std::string>> ListTags(const std::string& name) = 0;

  // Manifests whose subject is this digest; empty when there are none.
  virtual std::vector<Referrer> Referrers(const Digest& digest) = 0;
};

}  // namespace stowage
