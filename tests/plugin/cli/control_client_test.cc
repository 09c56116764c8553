#include "plugin/cli/control_client.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "tests/plugin/cli/fake_stowaged.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::FakeStowaged;
using testing::ImageEvent;
using testing::ProgressEvent;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

v1::ResolvedImage NamedImage(const std::string& name) {
  v1::ResolvedImage image;
  image.set_name(name);
  return image;
}

TEST_CASE("Resolve hands progress on in order and returns the image", "[cli][control_client]") {
  FakeStowaged daemon;
  daemon.resolve = [](auto&, const v1::ResolveRequest& request, auto& writer) {
    writer.Write(ProgressEvent(v1::Progress::EVALUATE, "one"));
    writer.Write(ProgressEvent(v1::Progress::REALISE, "two"));
    writer.Write(ImageEvent(NamedImage("made of " + request.reference())));
    return grpc::Status::OK;
  };
  const auto client = ControlClient::Connect(daemon.socket());
  REQUIRE_OK(client);
  std::vector<std::string> messages;
  ResolveObserver observer;
  observer.on_progress = [&](const v1::Progress& progress) {
    messages.push_back(progress.message());
  };
  const auto image = client->Resolve("nix/git", Soon(), observer);
  REQUIRE_OK(image);
  CHECK(image->name() == "made of nix/git");
  CHECK(messages == std::vector<std::string>{"one", "two"});
}

TEST_CASE("Resolve takes an image longer than gRPC's usual limit", "[cli][control_client]") {
  FakeStowaged daemon;
  daemon.resolve = [](auto&, auto&, auto& writer) {
    v1::ResolvedImage image;
    image.set_manifest(std::string(9 << 20, 'm'));
    writer.Write(ImageEvent(image));
    return grpc::Status::OK;
  };
  const auto client = ControlClient::Connect(daemon.socket());
  REQUIRE_OK(client);
  const auto image = client->Resolve("nix/git", Soon(), {});
  REQUIRE_OK(image);
  CHECK(image->manifest().size() == 9 << 20);
}

TEST_CASE("Resolve returns the daemon's error with code, reference and words",
          "[cli][control_client]") {
  const auto [code, want] = GENERATE(table<grpc::StatusCode, absl::StatusCode>({
      {grpc::StatusCode::NOT_FOUND, absl::StatusCode::kNotFound},
      {grpc::StatusCode::INVALID_ARGUMENT, absl::StatusCode::kInvalidArgument},
      {grpc::StatusCode::FAILED_PRECONDITION, absl::StatusCode::kFailedPrecondition},
      {grpc::StatusCode::UNAVAILABLE, absl::StatusCode::kUnavailable},
  }));
  FakeStowaged daemon;
  daemon.resolve = [code = code](auto&, auto&, auto& writer) {
    writer.Write(ProgressEvent(v1::Progress::EVALUATE, "one"));
    return grpc::Status(code, "the reason");
  };
  const auto client = ControlClient::Connect(daemon.socket());
  REQUIRE_OK(client);
  const auto image = client->Resolve("nix/nosuch", Soon(), {});
  CHECK(image.status().code() == want);
  CHECK(image.status().message() == "resolve nix/nosuch: the reason");
}

TEST_CASE("Resolve does not take an end without an image for success", "[cli][control_client]") {
  FakeStowaged daemon;
  daemon.resolve = [](auto&, auto&, auto&) { return grpc::Status::OK; };
  const auto client = ControlClient::Connect(daemon.socket());
  REQUIRE_OK(client);
  CHECK(absl::IsInternal(client->Resolve("nix/git", Soon(), {}).status()));
}

TEST_CASE("Resolve ticks while the daemon is silent, until the deadline", "[cli][control_client]") {
  FakeStowaged daemon;
  daemon.resolve = [](grpc::ServerContext& context, auto&, auto&) {
    while (!context.IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
    return grpc::Status::CANCELLED;
  };
  const auto client = ControlClient::Connect(daemon.socket());
  REQUIRE_OK(client);
  int ticks = 0;
  ResolveObserver observer;
  observer.on_tick = [&] { ++ticks; };
  const auto image = client->Resolve("nix/git", absl::Now() + absl::Milliseconds(350), observer);
  CHECK(absl::IsDeadlineExceeded(image.status()));
  CHECK(ticks >= 2);
}

TEST_CASE("Resolve notices that the daemon goes", "[cli][control_client]") {
  auto daemon = std::make_unique<FakeStowaged>();
  absl::Notification started;
  daemon->resolve = [&](grpc::ServerContext& context, auto&, auto&) {
    started.Notify();
    while (!context.IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
    return grpc::Status::CANCELLED;
  };
  const auto client = ControlClient::Connect(daemon->socket());
  REQUIRE_OK(client);
  std::jthread killer([&] {
    started.WaitForNotification();
    daemon.reset();
  });
  const auto image = client->Resolve("nix/git", absl::InfiniteFuture(), {});
  CHECK((absl::IsUnavailable(image.status()) || absl::IsCancelled(image.status())));
}

TEST_CASE("Inspect and Status return what the daemon knows", "[cli][control_client]") {
  FakeStowaged daemon;
  daemon.inspect = [](const v1::InspectRequest& request, v1::ResolvedImage& image) {
    if (request.reference() != "nix/git")
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "never resolved here");
    image.set_name("git");
    return grpc::Status::OK;
  };
  daemon.status = [](v1::StatusResponse& status) {
    status.set_version("0.1.0");
    return grpc::Status::OK;
  };
  const auto client = ControlClient::Connect("unix://" + daemon.socket());
  REQUIRE_OK(client);
  const auto image = client->Inspect("nix/git", Soon());
  REQUIRE_OK(image);
  CHECK(image->name() == "git");
  const auto missing = client->Inspect("nix/other", Soon());
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(missing.status().message() == "inspect nix/other: never resolved here");
  const auto status = client->Status(Soon());
  REQUIRE_OK(status);
  CHECK(status->version() == "0.1.0");
}

TEST_CASE("Connect says how to start the daemon that is not there", "[cli][control_client]") {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.Join("control.sock");
  const auto missing = ControlClient::Connect(path);
  CHECK(absl::IsUnavailable(missing.status()));
  for (const std::string part :
       {path.c_str(), "No such file", "systemctl start stowaged", "--socket"})
    CHECK(absl::StrContains(missing.status().message(), part));

  const auto own = ControlClient::Connect(path, /*own_stowaged=*/true);
  CHECK(absl::IsUnavailable(own.status()));
  for (const std::string part : {path.c_str(), "No such file", "'stowaged --rootless'", "sudo"})
    CHECK(absl::StrContains(own.status().message(), part));

  REQUIRE_OK(WriteFileAtomically(path, "x"));
  const auto file = ControlClient::Connect(path);
  CHECK(absl::IsUnavailable(file.status()));
  CHECK(absl::StrContains(file.status().message(), "--socket"));

  CHECK(absl::IsInvalidArgument(ControlClient::Connect("relative.sock").status()));
}

}  // namespace
}  // namespace stowage
