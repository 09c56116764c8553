#include "tests/plugin/containerd/sample_image.h"

#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace stowage::testing {
namespace {

constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";

}  // namespace

ImportRequest SampleImage(const std::string& seed, const std::string& snapshotter,
                          size_t padding_bytes) {
  const std::string diff_id = Sha256(absl::StrCat("layer ", seed)).ToString();
  const std::string config = absl::StrCat(
      R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":[")",
      diff_id, R"("]}})");
  const Digest config_digest = Sha256(config);
  const std::string manifest = absl::StrCat(
      R"({"schemaVersion":2,"mediaType":")", kManifestType,
      R"(","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")",
      config_digest.ToString(), R"(","size":)", config.size(),
      R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":")", diff_id,
      R"(","size":10240}],"annotations":{"padding":")", std::string(padding_bytes, 'x'), R"("}})");
  return ImportRequest{.manifest_media_type = kManifestType,
                       .manifest_digest = Sha256(manifest),
                       .manifest = manifest,
                       .config_digest = config_digest,
                       .config = config,
                       .chain_id = diff_id,
                       .image_names = {absl::StrCat("nix/", seed, ":latest"),
                                       absl::StrCat("nix.local/", seed, ":latest")},
                       .labels = {{"stowage.reference", seed}},
                       .snapshotter = snapshotter};
}

}  // namespace stowage::testing
