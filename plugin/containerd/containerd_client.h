#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/digest.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace stowage {

// An image whose layers the snapshotter already has, so that containerd needs only these documents.
struct ImportRequest {
  std::string manifest_media_type;
  Digest manifest_digest;
  std::string manifest;
  Digest config_digest;
  std::string config;
  std::string chain_id;                       // of the top layer
  std::vector<std::string> image_names;       // one image record each; at least one
  std::map<std::string, std::string> labels;  // of the image records
  std::string snapshotter = "stowage";        // as [proxy_plugins.NAME] calls it
  // Whether an ordinary snapshot of the chain ID, which some client unpacked, makes place for ours.
  bool replace_ordinary_snapshot = false;
};

struct ImportResult {
  // containerd had the chain ID before, as an ordinary snapshot that some client unpacked.
  // Containers are right but use that copy.
  bool shadowed_by_ordinary_snapshot = false;
  // There was such a copy, and it is gone.
  bool replaced_ordinary_snapshot = false;
};

// Client of one containerd, in one of its namespaces. Thread-safe; movable.
class ContainerdClient {
 public:
  // address: path of containerd's socket, also with "unix://" before it.
  // Errors: InvalidArgument for another kind of address, PermissionDenied when the socket is not
  // for this user, Unavailable when nobody answers; each says what to do.
  static absl::StatusOr<ContainerdClient> Connect(const std::string& address,
                                                  const std::string& containerd_namespace,
                                                  absl::Time deadline);

  // containerd's version as it calls itself: "1.6.20~ds1".
  absl::StatusOr<std::string> Version(absl::Time deadline) const;

  // Makes the image known to containerd without a pull: lease, manifest and config with GC labels,
  // one Prepare of the top chain ID on the empty parent, image records. Safe to repeat; an image
  // record that exists is pointed at this manifest. The lease goes in every case. Blobs that were
  // written before an error stay until containerd's next garbage collection.
  //
  // Errors: FailedPrecondition when the snapshotter is not configured in containerd or does not
  // know the image's layers, or when the ordinary snapshot that is to be replaced is in use;
  // Unavailable when containerd cannot reach the snapshotter, DeadlineExceeded, or what containerd
  // answered, with the step before it.
  absl::StatusOr<ImportResult> Import(const ImportRequest& request, absl::Time deadline) const;

 private:
  ContainerdClient(std::shared_ptr<grpc::Channel> channel, std::string address,
                   std::string containerd_namespace);

  std::shared_ptr<grpc::Channel> channel_;  // gRPC's interface; stubs and running calls share it
  std::string address_;
  std::string namespace_;
};

}  // namespace stowage
