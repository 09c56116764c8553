#include "plugin/snapshots/snapshots_service.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "plugin/snapshots/unix_grpc_server.h"
#include "tests/plugin/snapshots/snapshotter_fixture.h"

namespace stowage {
namespace {

namespace api = containerd::services::snapshots::v1;

// A snapshotter behind a socket, and a client of it that sees messages as containerd does.
class ServiceFixture {
 public:
  // views: how many snapshots are there already, as InsertViews makes them.
  explicit ServiceFixture(SnapshotPeerChecks checks = {}, int views = 0)
      : service_(SnapshotterWith(views), std::move(checks)) {
    const std::string path = fixture_.path() + "/socket";
    auto server = UnixGrpcServer::Start(path, {&service_});
    REQUIRE_OK(server);
    server_ = *std::move(server);
    stub_ = api::Snapshots::NewStub(
        grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  }

  testing::SnapshotterFixture& snapshots() { return fixture_; }
  void Stop() { server_.reset(); }

  template <typename Request, typename Response>
  grpc::StatusCode Call(grpc::Status (api::Snapshots::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                        const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return ((*stub_).*method)(&context, request, response).error_code();
  }

  // The status, and how many snapshots each block of the answer has.
  std::pair<grpc::StatusCode, std::vector<int>> List() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const auto reader = stub_->List(&context, {});
    std::vector<int> sizes;
    api::ListSnapshotsResponse block;
    while (reader->Read(&block)) sizes.push_back(block.info_size());
    return {reader->Finish().error_code(), sizes};
  }

  std::vector<int> ListBlockSizes() {
    const auto [status, sizes] = List();
    CHECK(status == grpc::OK);
    return sizes;
  }

 private:
  Snapshotter& SnapshotterWith(int views) {
    if (views > 0) fixture_.InsertViews(views);
    return fixture_.snapshotter();
  }

  testing::SnapshotterFixture fixture_;
  SnapshotsService service_;
  std::unique_ptr<UnixGrpcServer> server_;
  std::unique_ptr<api::Snapshots::Stub> stub_;
};

TEST_CASE("ToGrpcStatus keeps code and message", "[plugin][snapshots_service]") {
  const grpc::Status status = ToGrpcStatus(absl::FailedPreconditionError("because"));
  CHECK(status.error_code() == grpc::FAILED_PRECONDITION);
  CHECK(status.error_message() == "because");
  CHECK(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 0; code <= 16; ++code)
    CHECK(ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "x")).error_code() ==
          code);
}

TEST_CASE("SnapshotsService carries a snapshot's life over the wire",
          "[plugin][snapshots_service]") {
  ServiceFixture fixture;
  using Stub = api::Snapshots::Stub;
  api::PrepareSnapshotRequest prepare;
  prepare.set_snapshotter("any name");
  prepare.set_key("ns/1/key");
  (*prepare.mutable_labels())["a"] = "1";
  api::PrepareSnapshotResponse prepared;
  REQUIRE(fixture.Call(&Stub::Prepare, prepare, &prepared) == grpc::OK);
  REQUIRE(prepared.mounts_size() == 1);
  CHECK(prepared.mounts(0).type() == "bind");
  CHECK(prepared.mounts(0).target().empty());
  CHECK(prepared.mounts(0).options_size() == 2);
  CHECK(fixture.Call(&Stub::Prepare, prepare, &prepared) == grpc::ALREADY_EXISTS);

  api::MountsRequest mounts;
  mounts.set_key("ns/1/key");
  api::MountsResponse mounted;
  REQUIRE(fixture.Call(&Stub::Mounts, mounts, &mounted) == grpc::OK);
  CHECK(mounted.mounts(0).source() == prepared.mounts(0).source());

  api::CommitSnapshotRequest commit;
  google::protobuf::Empty empty;
  commit.set_key("ns/1/key");
  commit.set_name("ns/2/name");
  commit.set_parent("ns/0/other");
  CHECK(fixture.Call(&Stub::Commit, commit, &empty) == grpc::UNIMPLEMENTED);
  commit.clear_parent();
  (*commit.mutable_labels())["b"] = "2";
  REQUIRE(fixture.Call(&Stub::Commit, commit, &empty) == grpc::OK);

  api::StatSnapshotRequest stat;
  stat.set_key("ns/2/name");
  api::StatSnapshotResponse stated;
  REQUIRE(fixture.Call(&Stub::Stat, stat, &stated) == grpc::OK);
  CHECK(stated.info().name() == "ns/2/name");
  CHECK(stated.info().kind() == api::COMMITTED);
  CHECK(stated.info().labels().at("b") == "2");
  CHECK(stated.info().created_at().seconds() > 1'700'000'000);

  api::ViewSnapshotRequest view;
  view.set_key("view");
  view.set_parent("ns/2/name");
  api::ViewSnapshotResponse viewed;
  REQUIRE(fixture.Call(&Stub::View, view, &viewed) == grpc::OK);
  CHECK(viewed.mounts(0).options(0) == "ro");

  api::RemoveSnapshotRequest remove;
  remove.set_key("ns/2/name");
  CHECK(fixture.Call(&Stub::Remove, remove, &empty) == grpc::FAILED_PRECONDITION);
  CHECK(fixture.Call(&Stub::Cleanup, api::CleanupRequest(), &empty) == grpc::OK);
}

TEST_CASE("SnapshotsService refuses a peer whatever changes or lists snapshots",
          "[plugin][snapshots_service]") {
  bool admitted = true;
  ServiceFixture fixture({[&admitted](const std::string&) {
                            return admitted ? absl::OkStatus()
                                            : absl::FailedPreconditionError("somebody else's");
                          },
                          {},
                          {}});
  using Stub = api::Snapshots::Stub;
  api::PrepareSnapshotRequest prepare;
  prepare.set_key("one");
  api::PrepareSnapshotResponse prepared;
  REQUIRE(fixture.Call(&Stub::Prepare, prepare, &prepared) == grpc::OK);

  admitted = false;
  google::protobuf::Empty empty;
  prepare.set_key("two");
  CHECK(fixture.Call(&Stub::Prepare, prepare, &prepared) == grpc::FAILED_PRECONDITION);
  api::ViewSnapshotRequest view;
  view.set_key("three");
  api::ViewSnapshotResponse viewed;
  CHECK(fixture.Call(&Stub::View, view, &viewed) == grpc::FAILED_PRECONDITION);
  api::CommitSnapshotRequest commit;
  commit.set_key("one");
  commit.set_name("name");
  CHECK(fixture.Call(&Stub::Commit, commit, &empty) == grpc::FAILED_PRECONDITION);
  api::UpdateSnapshotRequest update;
  update.mutable_info()->set_name("one");
  api::UpdateSnapshotResponse updated;
  CHECK(fixture.Call(&Stub::Update, update, &updated) == grpc::FAILED_PRECONDITION);
  api::RemoveSnapshotRequest remove;
  remove.set_key("one");
  CHECK(fixture.Call(&Stub::Remove, remove, &empty) == grpc::FAILED_PRECONDITION);
  CHECK(fixture.Call(&Stub::Cleanup, api::CleanupRequest(), &empty) == grpc::FAILED_PRECONDITION);
  CHECK(fixture.List() == std::pair(grpc::FAILED_PRECONDITION, std::vector<int>()));
  // What only looks at one snapshot harms nobody: health checks do so.
  api::StatSnapshotRequest stat;
  stat.set_key("one");
  api::StatSnapshotResponse stated;
  CHECK(fixture.Call(&Stub::Stat, stat, &stated) == grpc::OK);

  admitted = true;
  CHECK(fixture.ListBlockSizes() == std::vector<int>{1});
}

TEST_CASE("SnapshotsService passes the update mask on", "[plugin][snapshots_service]") {
  ServiceFixture fixture;
  REQUIRE_OK(fixture.snapshots().snapshotter().Prepare("key", "", {{"a", "1"}, {"b", "2"}}));
  api::UpdateSnapshotRequest update;
  update.mutable_info()->set_name("key");
  (*update.mutable_info()->mutable_labels())["a"] = "9";
  update.mutable_update_mask()->add_paths("labels.a");
  api::UpdateSnapshotResponse updated;
  REQUIRE(fixture.Call(&api::Snapshots::Stub::Update, update, &updated) == grpc::OK);
  CHECK(updated.info().labels().at("a") == "9");
  CHECK(updated.info().labels().at("b") == "2");
  update.mutable_update_mask()->add_paths("kind");
  CHECK(fixture.Call(&api::Snapshots::Stub::Update, update, &updated) == grpc::INVALID_ARGUMENT);
}

TEST_CASE("SnapshotsService reports usage in the fields of the API",
          "[plugin][snapshots_service]") {
  ServiceFixture fixture;
  REQUIRE_OK(fixture.snapshots().snapshotter().Prepare("key", "", {}));
  api::UsageRequest request;
  request.set_key("key");
  api::UsageResponse usage;
  REQUIRE(fixture.Call(&api::Snapshots::Stub::Usage, request, &usage) == grpc::OK);
  CHECK(usage.inodes() == 1);
  request.set_key("none");
  CHECK(fixture.Call(&api::Snapshots::Stub::Usage, request, &usage) == grpc::NOT_FOUND);
}

TEST_CASE("SnapshotsService answers what is in memory while other calls wait",
          "[plugin][snapshots_service]") {
  absl::Notification released;
  absl::BlockingCounter waiting(20);  // more than gRPC has threads
  ServiceFixture fixture({[&](const std::string&) {
                            waiting.DecrementCount();
                            released.WaitForNotification();
                            return absl::OkStatus();
                          },
                          {},
                          {}});
  REQUIRE_OK(fixture.snapshots().snapshotter().Prepare("there", "", {}));
  using Stub = api::Snapshots::Stub;
  std::vector<std::thread> callers;
  std::atomic<int> removed = 0;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&] {
      api::RemoveSnapshotRequest remove;
      remove.set_key("none");
      google::protobuf::Empty empty;
      if (fixture.Call(&Stub::Remove, remove, &empty) == grpc::NOT_FOUND) ++removed;
    });
  }
  waiting.Wait();
  api::StatSnapshotRequest stat;
  stat.set_key("there");
  api::StatSnapshotResponse stated;
  CHECK(fixture.Call(&Stub::Stat, stat, &stated) == grpc::OK);
  api::MountsRequest mounts;
  mounts.set_key("there");
  api::MountsResponse mounted;
  CHECK(fixture.Call(&Stub::Mounts, mounts, &mounted) == grpc::OK);
  api::UsageRequest usage;
  usage.set_key("there");
  api::UsageResponse used;
  CHECK(fixture.Call(&Stub::Usage, usage, &used) == grpc::OK);
  released.Notify();
  for (std::thread& caller : callers) caller.join();
  CHECK(removed == 20);
}

TEST_CASE("SnapshotsService measures a snapshot of many files", "[plugin][snapshots_service]") {
  ServiceFixture fixture;
  const auto mounts = fixture.snapshots().snapshotter().Prepare("key", "", {});
  REQUIRE_OK(mounts);
  for (int i = 0; i < 40; ++i)
    REQUIRE(::mkdir(absl::StrCat(mounts->front().source, "/", i).c_str(), 0700) == 0);
  api::UsageRequest request;
  request.set_key("key");
  api::UsageResponse usage;
  REQUIRE(fixture.Call(&api::Snapshots::Stub::Usage, request, &usage) == grpc::OK);
  CHECK(usage.inodes() == 41);
}

TEST_CASE("UnixGrpcServer waits for a snapshot call that is running",
          "[plugin][snapshots_service]") {
  absl::Notification running;
  auto fixture =
      std::make_unique<ServiceFixture>(SnapshotPeerChecks{[&](const std::string&) {
                                                            running.Notify();
                                                            absl::SleepFor(absl::Milliseconds(100));
                                                            return absl::OkStatus();
                                                          },
                                                          {},
                                                          {}});
  grpc::StatusCode answered = grpc::UNKNOWN;
  std::thread caller([&] {
    api::RemoveSnapshotRequest remove;
    remove.set_key("none");
    google::protobuf::Empty empty;
    answered = fixture->Call(&api::Snapshots::Stub::Remove, remove, &empty);
  });
  running.WaitForNotification();
  fixture->Stop();
  caller.join();
  CHECK(answered == grpc::NOT_FOUND);
}

TEST_CASE("List streams blocks of at most 100 and far below containerd's message limit",
          "[plugin][snapshots_service]") {
  CHECK(ServiceFixture().ListBlockSizes().empty());
  ServiceFixture fixture({}, 201);
  Snapshotter& snapshotter = fixture.snapshots().snapshotter();
  CHECK(fixture.ListBlockSizes() == std::vector<int>{100, 100, 1});
  // 300 KiB of labels each: four fill a block.
  SnapshotLabels labels;
  for (int i = 0; i < 75; ++i) labels[absl::StrCat("label", i)] = std::string(4090, 'x');
  for (int i = 0; i < 8; ++i) REQUIRE_OK(snapshotter.View(absl::StrCat("w", i), "", labels));
  CHECK(fixture.ListBlockSizes() == std::vector<int>{100, 100, 5, 4});
}

TEST_CASE("Prepare takes as many labels as containerd sends", "[plugin][snapshots_service]") {
  ServiceFixture fixture;
  api::PrepareSnapshotRequest prepare;
  prepare.set_key("key");
  for (int i = 0; i < 1500; ++i)
    (*prepare.mutable_labels())[absl::StrCat("label", i)] = std::string(4080, 'x');  // 6 MB
  api::PrepareSnapshotResponse prepared;
  REQUIRE(fixture.Call(&api::Snapshots::Stub::Prepare, prepare, &prepared) == grpc::OK);
  CHECK(fixture.snapshots().snapshotter().Stat("key")->labels.size() == 1500);
}

}  // namespace
}  // namespace stowage
