#include "plugin/snapshots/unix_grpc_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "base/file.h"
#include "proto/containerd/version.grpc.pb.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

class VersionService final : public containerd::services::version::v1::Version::Service {
 public:
  grpc::Status Version(grpc::ServerContext* context, const google::protobuf::Empty* /*request*/,
                       containerd::services::version::v1::VersionResponse* response) override {
    peer = context->peer();
    response->set_version("test");
    return grpc::Status::OK;
  }

  std::string peer;  // gRPC's name of the last call's connection
};

std::string AskVersion(const std::string& path) {
  const auto stub = containerd::services::version::v1::Version::NewStub(
      grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  containerd::services::version::v1::VersionResponse response;
  const grpc::Status status = stub->Version(&context, {}, &response);
  return status.ok() ? response.version() : status.error_message();
}

// A socket file whose server is gone, as kill -9 leaves it.
void LeaveStaleSocket(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

TEST_CASE("UnixGrpcServer serves on a socket for its user only", "[plugin][unix_grpc_server]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("socket");
  VersionService service;
  {
    const auto server = UnixGrpcServer::Start(path, {&service});
    REQUIRE_OK(server);
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(AskVersion(path) == "test");
    CHECK(AskVersion(path) == "test");
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("UnixGrpcServer replaces a socket that nobody listens on", "[plugin][unix_grpc_server]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("socket");
  LeaveStaleSocket(path);
  VersionService service;
  const auto server = UnixGrpcServer::Start(path, {&service});
  REQUIRE_OK(server);
  CHECK(AskVersion(path) == "test");
}

TEST_CASE("UnixGrpcServer leaves a live server's socket alone", "[plugin][unix_grpc_server]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("socket");
  VersionService service;
  const auto first = UnixGrpcServer::Start(path, {&service});
  REQUIRE_OK(first);
  CHECK(absl::IsAlreadyExists(UnixGrpcServer::Start(path, {&service}).status()));
  // Nor that of a server of another kind, which holds no lock of ours.
  REQUIRE(::unlink((path + ".lock").c_str()) == 0);
  CHECK(absl::IsAlreadyExists(UnixGrpcServer::Start(path, {&service}).status()));
  CHECK(AskVersion(path) == "test");
}

TEST_CASE("UnixGrpcServer deletes no file that is not a socket", "[plugin][unix_grpc_server]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("file");
  REQUIRE_OK(OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT, 0644));
  VersionService service;
  CHECK(absl::IsAlreadyExists(UnixGrpcServer::Start(path, {&service}).status()));
  CHECK(::access(path.c_str(), F_OK) == 0);
}

TEST_CASE("UnixGrpcServer refuses a path that does not fit an address",
          "[plugin][unix_grpc_server]") {
  VersionService service;
  CHECK(absl::IsInvalidArgument(
      UnixGrpcServer::Start("/" + std::string(107, 'x'), {&service}).status()));
  CHECK(absl::IsInvalidArgument(UnixGrpcServer::Start("", {&service}).status()));
}

TEST_CASE("UnixGrpcServer knows the process at the other end", "[plugin][unix_grpc_server]") {
  const testing::TemporaryDirectory directory;
  VersionService service;
  const auto server = UnixGrpcServer::Start(directory.Join("socket"), {&service});
  REQUIRE_OK(server);
  REQUIRE(AskVersion(directory.Join("socket")) == "test");
  CHECK((*server)->PeerProcess(service.peer) == ::getpid());
  CHECK((*server)->PeerProcess("fd:100000") == std::nullopt);
}

}  // namespace
}  // namespace stowage
