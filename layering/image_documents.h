#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "layering/document.h"
#include "nix/closure.h"

// The JSON documents of an image, OCI image-spec 1.1. All are compact JSON with keys sorted by
// bytes: the same description gives the same bytes, so digests agree between machines.
// docs/image-format.md specifies them. All functions are pure and thread-safe.

namespace stowage {

inline constexpr absl::string_view kManifestMediaType =
    "application/vnd.oci.image.manifest.v1+json";
inline constexpr absl::string_view kConfigMediaType = "application/vnd.oci.image.config.v1+json";
inline constexpr absl::string_view kLayerMediaType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr absl::string_view kEmptyMediaType = "application/vnd.oci.empty.v1+json";
inline constexpr absl::string_view kClosureMediaType = "application/vnd.stowage.closure.v1+json";

// On a layer of store paths: its layer key in hexadecimal. containerd hands annotations with this
// prefix to the snapshotter as labels, and fails the pull if one exceeds 4,096 bytes.
inline constexpr absl::string_view kLayerKeyAnnotation = "containerd.io/snapshot/stowage.layer";
// On the manifest: the digest of the closure document.
inline constexpr absl::string_view kClosureAnnotation = "io.stowage.closure";

struct ImageLayer {
  Digest layer_key;  // not used for a profile layer
  Digest diff_id;
  uint64_t size_bytes;                     // of the tar
  std::vector<std::string> package_names;  // "bash-5.2", for the history, in the layer's order
  bool is_profile;                         // not made of store paths
};

struct ImageDescription {
  std::string architecture;        // as Go names it: "amd64", "arm64"
  std::vector<ImageLayer> layers;  // base first
  std::vector<std::string> command;
  std::vector<std::string> environment;  // "NAME=value", order kept
  std::map<std::string, std::string> labels;
};

// The image config; its digest is the image ID. Names of packages that do not fit on a layer's
// history line are counted ("and 12 more").
// Errors: InvalidArgument if a text is not UTF-8, which JSON cannot carry.
absl::StatusOr<Document> EncodeImageConfig(const ImageDescription& image);

// What a node needs to know to get the store paths of an image from elsewhere and to check them:
// of each path name, narHash, narSize and references, and which paths make which layer.
//
// layers: indices into closure.objects per layer, base first; layers that are not made of store
// paths (profiles) are left out.
Document EncodeClosureDocument(const Closure& closure,
                               absl::Span<const std::vector<uint32_t>> layers);

// The manifest; the same for all clients: layers uncompressed, so that digest == diff_id.
Document EncodeManifest(const ImageDescription& image, const Document& config,
                        const Document& closure_document);

// The artifact manifest that makes the closure document a referrer of the image.
Document EncodeClosureReferrer(const Document& manifest, const Document& closure_document);

// The blob "{}" that the referrer names as its config; a registry that serves the referrer must
// serve this too (image-spec, manifest.md, "Guidance for an Empty Descriptor").
Document EmptyDocument();

// The chain IDs of the first, the first two, ... layers (image-spec, config.md, "Layer ChainID").
std::vector<Digest> ChainIds(absl::Span<const Digest> diff_ids);

}  // namespace stowage
