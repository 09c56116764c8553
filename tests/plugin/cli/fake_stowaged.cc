#include "tests/plugin/cli/fake_stowaged.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>

namespace stowage::testing {

FakeStowaged::FakeStowaged() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

FakeStowaged::~FakeStowaged() { server_->Shutdown(std::chrono::system_clock::now()); }

grpc::Status FakeStowaged::Resolve(grpc::ServerContext* context, const v1::ResolveRequest* request,
                                   ResolveWriter* writer) {
  return resolve.get()(*context, *request, *writer);
}

grpc::Status FakeStowaged::Inspect(grpc::ServerContext*, const v1::InspectRequest* request,
                                   v1::InspectResponse* response) {
  return inspect.get()(*request, *response->mutable_image());
}

grpc::Status FakeStowaged::Status(grpc::ServerContext*, const v1::StatusRequest*,
                                  v1::StatusResponse* response) {
  return status.get()(*response);
}

v1::ResolveEvent ProgressEvent(v1::Progress::Phase phase, const std::string& message) {
  v1::ResolveEvent event;
  event.mutable_progress()->set_phase(phase);
  event.mutable_progress()->set_message(message);
  return event;
}

v1::ResolveEvent ImageEvent(const v1::ResolvedImage& image) {
  v1::ResolveEvent event;
  *event.mutable_image() = image;
  return event;
}

}  // namespace stowage::testing
