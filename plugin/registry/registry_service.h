#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/digest.h"
#include "plugin/registry/http_message.h"
#include "plugin/registry/image_source.h"
#include "plugin/registry/registry_error.h"
#include "plugin/registry/request_target.h"

namespace stowage {

struct RegistryServiceOptions {
  // Layers encoded by gzip or zstd at one time; further requests get identity. Each takes about
  // 1 MiB. 0 switches encoding off (clients on this machine only pay for it).
  int max_encoders = 16;
};

// The pull half of the OCI distribution-spec over an ImageSource; knows no sockets. Thread-safe.
// Layers are advertised uncompressed, so a digest never depends on a compressor; what goes over the
// wire is negotiated by Accept-Encoding. Range always counts in the uncompressed bytes.
// For nix/... of another host (?ns=docker.io) every failure is answered by 300, so that the client
// does not go on to that host with a name that is ours.
class RegistryService : public HttpHandler {
 public:
  // source must live until every request has been answered.
  RegistryService(ImageSource& source, const RegistryServiceOptions& options);

  void Handle(const HttpRequest& request, std::function<void(HttpResponse)> respond) override;

 private:
  using Respond = std::function<void(HttpResponse)>;

  void Route(const HttpRequest& request, RequestTarget target, Respond respond);
  void Manifest(const HttpRequest& request, RequestTarget target, Respond respond);
  void Blob(const HttpRequest& request, const RequestTarget& target, const Respond& respond);
  HttpResponse Tags(const RequestTarget& target);
  HttpResponse Referrers(const RequestTarget& target);

  ImageSource& source_;
  const int max_encoders_;
  // Shared with the bodies that hold a place in it, which may outlive the service.
  const std::shared_ptr<std::atomic<int>> encoders_;
};

}  // namespace stowage
