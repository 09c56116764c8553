#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "plugin/images/image_resolver.h"
#include "plugin/images/image_table.h"
#include "plugin/images/layer_catalog.h"
#include "plugin/images/path_fetcher.h"
#include "proto/stowage/stowage.grpc.pb.h"

namespace stowage {

// What `stowage status` shows of the daemon's set-up.
struct DaemonAddresses {
  std::string registry;            // host:port, "" when off
  std::string snapshotter_socket;  // "" when off
};

// The control API for the command line. Thread-safe.
class ControlService final : public stowage::v1::Stowage::Service {
 public:
  // fetcher: null on a daemon that fetches nothing lazily. lazy: what a client gets that says
  // nothing.
  ControlService(ImageResolver& resolver, LayerCatalog& catalog, ImageTable& images,
                 PathFetcher* fetcher, bool lazy, DaemonAddresses addresses)
      : resolver_(resolver),
        catalog_(catalog),
        images_(images),
        fetcher_(fetcher),
        lazy_(lazy),
        addresses_(std::move(addresses)) {}

  grpc::Status Resolve(grpc::ServerContext* context, const stowage::v1::ResolveRequest* request,
                       grpc::ServerWriter<stowage::v1::ResolveEvent>* writer) override;
  grpc::Status Inspect(grpc::ServerContext* context, const stowage::v1::InspectRequest* request,
                       stowage::v1::InspectResponse* response) override;
  grpc::Status Status(grpc::ServerContext* context, const stowage::v1::StatusRequest* request,
                      stowage::v1::StatusResponse* response) override;

 private:
  absl::Status Describe(const ResolvedImage& image, bool with_store_paths,
                        stowage::v1::ResolvedImage& out);
  absl::Status DescribeFetching(stowage::v1::StatusResponse& out);

  ImageResolver& resolver_;
  LayerCatalog& catalog_;
  ImageTable& images_;
  PathFetcher* const fetcher_;
  const bool lazy_;
  const DaemonAddresses addresses_;
};

}  // namespace stowage
