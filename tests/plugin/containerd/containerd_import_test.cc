// Imports into a real containerd. Registered as an integration test: needs root.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "plugin/containerd/containerd_client.h"
#include "plugin/containerd/content_writer.h"
#include "plugin/containerd/rpc.h"
#include "proto/containerd/content.grpc.pb.h"
#include "proto/containerd/snapshots.grpc.pb.h"
#include "tests/plugin/containerd/containerd_process.h"
#include "tests/plugin/containerd/sample_image.h"
#include "tests/plugin/containerd/stand_in_snapshotter.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::ContainerdProcess;
using testing::SampleImage;
using testing::StandInSnapshotter;

const bool kReady = (testing::SkipWithoutContainerd(), true);

constexpr char kNamespace[] = "tests";

absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

// A containerd with the stand-in as snapshotter "remote" and a dead socket as "dead".
struct Setup {
  StandInSnapshotter snapshotter;
  ContainerdProcess containerd{
      {{"remote", snapshotter.socket()}, {"dead", snapshotter.socket() + ".nobody"}}};

  ContainerdClient Client(const std::string& containerd_namespace = kNamespace) {
    auto client = ContainerdClient::Connect(containerd.address(), containerd_namespace, Soon());
    REQUIRE_OK(client);
    return *std::move(client);
  }
  CallScope Scope() {
    return {grpc::CreateChannel("unix:" + containerd.address(), grpc::InsecureChannelCredentials()),
            kNamespace, "", Soon()};
  }
  std::string Leases() { return containerd.Ctr(kNamespace, {"leases", "ls", "-q"}); }
  std::string Images() { return containerd.Ctr(kNamespace, {"images", "ls", "-q"}); }
  std::string Snapshots(const std::string& snapshotter_name) {
    return containerd.Ctr(kNamespace, {"snapshots", "--snapshotter", snapshotter_name, "ls"});
  }
  // The line of `ctr content ls` for a blob; empty without one.
  std::string Content(const Digest& digest) {
    // A digest stands in other blobs' labels too.
    for (const absl::string_view line :
         absl::StrSplit(containerd.Ctr(kNamespace, {"content", "ls"}), '\n')) {
      if (absl::StartsWith(line, digest.ToString())) return std::string(line);
    }
    return "";
  }
};

std::string ConfigLabel(const ImportRequest& image) {
  return absl::StrCat("containerd.io/gc.ref.snapshot.", image.snapshotter, "=", image.chain_id);
}
std::string ManifestLabel(const ImportRequest& image) {
  return absl::StrCat("containerd.io/gc.ref.content.config=", image.config_digest.ToString());
}

void CheckComplete(Setup& setup, const ImportRequest& image) {
  CHECK(absl::StrContains(setup.Content(image.config_digest), ConfigLabel(image)));
  CHECK(absl::StrContains(setup.Content(image.manifest_digest), ManifestLabel(image)));
  CHECK(absl::StrContains(setup.Snapshots("remote"), image.chain_id));
  const std::string list = setup.containerd.Ctr(kNamespace, {"images", "ls"});
  for (const std::string& name : image.image_names) CHECK(absl::StrContains(list, name));
  CHECK(setup.Leases().empty());
}

// Makes the chain ID an ordinary snapshot in containerd, as a client does that unpacks layers.
void CommitOrdinary(Setup& setup, const std::string& chain_id, bool with_ref_label) {
  namespace api = ::containerd::services::snapshots::v1;
  const CallScope scope = setup.Scope();
  const auto stub = api::Snapshots::NewStub(scope.channel);
  api::PrepareSnapshotRequest prepare;
  prepare.set_snapshotter("remote");
  prepare.set_key("extract-1 " + chain_id);
  // What keeps it from garbage collection while no image does; containerd collects soon after its
  // start.
  (*prepare.mutable_labels())["containerd.io/gc.root"] = "test";
  api::PrepareSnapshotResponse prepared;
  grpc::ClientContext prepare_context;
  PrepareCall(scope, prepare_context);
  REQUIRE_OK(FromGrpcStatus(stub->Prepare(&prepare_context, prepare, &prepared), "prepare"));
  api::CommitSnapshotRequest commit;
  commit.set_snapshotter("remote");
  commit.set_key(prepare.key());
  commit.set_name(chain_id);
  (*commit.mutable_labels())["containerd.io/gc.root"] = "test";
  if (with_ref_label) (*commit.mutable_labels())["containerd.io/snapshot.ref"] = chain_id;
  google::protobuf::Empty empty;
  grpc::ClientContext commit_context;
  PrepareCall(scope, commit_context);
  REQUIRE_OK(FromGrpcStatus(stub->Commit(&commit_context, commit, &empty), "commit"));
}

TEST_CASE("Version is containerd's") {
  Setup setup;
  const auto version = setup.Client().Version(Soon());
  REQUIRE_OK(version);
  CHECK(absl::StrContains(setup.containerd.Ctr(kNamespace, {"version"}), *version));
}

TEST_CASE("A remote image is imported whole with one Prepare, and survives garbage collection") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  const auto result = setup.Client().Import(image, Soon());
  REQUIRE_OK(result);
  CHECK_FALSE(result->shadowed_by_ordinary_snapshot);
  CHECK(setup.snapshotter.prepare_calls() == 1);
  CheckComplete(setup, image);
  const std::string check =
      setup.containerd.Ctr(kNamespace, {"images", "check", "--snapshotter", "remote"});
  for (const std::string& name : image.image_names) CHECK(absl::StrContains(check, name));
  CHECK(absl::StrContains(check, "true"));  // unpacked

  setup.containerd.Ctr(kNamespace, {"content", "prune", "references"});
  CheckComplete(setup, image);
  CHECK(setup.snapshotter.Keys().count("remote/" + image.chain_id) == 1);

  // And goes with its last name.
  setup.containerd.Ctr(kNamespace, {"images", "rm", "--sync", image.image_names[0]});
  CHECK(setup.snapshotter.Keys().size() == 1);
  setup.containerd.Ctr(kNamespace, {"images", "rm", "--sync", image.image_names[1]});
  CHECK(setup.snapshotter.Keys().empty());
  CHECK(setup.Content(image.manifest_digest).empty());
}

TEST_CASE("An import can be repeated, and another image takes its names") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  REQUIRE_OK(setup.Client().Import(image, Soon()));
  const auto again = setup.Client().Import(image, Soon());
  REQUIRE_OK(again);
  CHECK_FALSE(again->shadowed_by_ordinary_snapshot);
  CheckComplete(setup, image);

  ImportRequest newer = SampleImage("newer", "remote");
  newer.image_names = image.image_names;
  newer.labels["stowage.revision"] = "2";
  setup.snapshotter.Know(newer.chain_id);
  REQUIRE_OK(setup.Client().Import(newer, Soon()));
  CheckComplete(setup, newer);
  const std::string list = setup.containerd.Ctr(kNamespace, {"images", "ls"});
  CHECK(absl::StrContains(list, newer.manifest_digest.ToString()));
  CHECK_FALSE(absl::StrContains(list, image.manifest_digest.ToString()));
  CHECK(absl::StrContains(list, "stowage.revision=2"));
  CHECK(absl::StrContains(list, "stowage.reference=newer"));
}

TEST_CASE("Namespaces have the image each for itself") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  REQUIRE_OK(setup.Client("one").Import(image, Soon()));
  REQUIRE_OK(setup.Client("two").Import(image, Soon()));
  for (const std::string name : {"one", "two"}) {
    CHECK(absl::StrContains(setup.containerd.Ctr(name, {"images", "ls", "-q"}), "nix/git:latest"));
    CHECK(setup.containerd.Ctr(name, {"leases", "ls", "-q"}).empty());
  }
  CHECK(setup.Images().empty());
  setup.containerd.Ctr("one",
                       {"images", "rm", "--sync", image.image_names[0], image.image_names[1]});
  CHECK(setup.snapshotter.Keys().count("remote/" + image.chain_id) == 1);
}

TEST_CASE("A snapshotter that does not know the layers is an error that leaves nothing") {
  Setup setup;
  const std::string snapshotter = GENERATE("remote", "overlayfs");
  const ImportRequest image = SampleImage("git", snapshotter);
  const absl::Status status = setup.Client().Import(image, Soon()).status();
  INFO(status.message());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "does not know the image's layers"));
  CHECK(absl::StrContains(status.message(), absl::StrCat("[proxy_plugins.", snapshotter, "]")));
  CHECK_FALSE(absl::StrContains(status.message(), "also:"));  // the Remove worked
  CHECK(setup.Leases().empty());
  CHECK(setup.Images().empty());
  CHECK_FALSE(absl::StrContains(setup.Snapshots(snapshotter), "extract"));
  CHECK_FALSE(absl::StrContains(setup.Snapshots(snapshotter), image.chain_id));
}

TEST_CASE("A snapshotter that containerd was not told of is an error with the configuration") {
  Setup setup;
  const absl::Status status = setup.Client().Import(SampleImage("git", "nosuch"), Soon()).status();
  INFO(status.message());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "[proxy_plugins.nosuch]\n    type = \"snapshot\""));
  CHECK(setup.Leases().empty());
  CHECK(setup.Images().empty());
}

TEST_CASE("A snapshotter that is down is an error that asks for stowaged") {
  Setup setup;
  const absl::Status status = setup.Client().Import(SampleImage("git", "dead"), Soon()).status();
  INFO(status.message());
  CHECK(absl::IsUnavailable(status));
  CHECK(absl::StrContains(status.message(), "is stowaged running"));
  CHECK(setup.Leases().empty());
  CHECK(setup.Images().empty());
}

TEST_CASE("The deadline ends an import, and the lease goes all the same") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  setup.snapshotter.DelayPrepare(absl::Seconds(30));
  const absl::Time start = absl::Now();
  const absl::Status status = setup.Client().Import(image, start + absl::Seconds(1)).status();
  CHECK(absl::IsDeadlineExceeded(status));
  CHECK(absl::Now() - start < absl::Seconds(15));
  CHECK(setup.Leases().empty());
  CHECK(setup.Images().empty());
}

TEST_CASE("An ordinary snapshot of the same chain is noticed") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  CommitOrdinary(setup, image.chain_id, /*with_ref_label=*/GENERATE(false, true));
  const auto result = setup.Client().Import(image, Soon());
  REQUIRE_OK(result);
  CHECK(result->shadowed_by_ordinary_snapshot);
  CHECK_FALSE(result->replaced_ordinary_snapshot);
  CheckComplete(setup, image);
}

TEST_CASE("An ordinary snapshot of the same chain is replaced on request") {
  Setup setup;
  ImportRequest image = SampleImage("git", "remote");
  image.replace_ordinary_snapshot = true;
  setup.snapshotter.Know(image.chain_id);
  CommitOrdinary(setup, image.chain_id, /*with_ref_label=*/false);
  const auto result = setup.Client().Import(image, Soon());
  REQUIRE_OK(result);
  CHECK(result->replaced_ordinary_snapshot);
  CHECK_FALSE(result->shadowed_by_ordinary_snapshot);
  CheckComplete(setup, image);
  CHECK(setup.snapshotter.Keys().count("remote/" + image.chain_id) == 1);
  // The copy is garbage for containerd now.
  setup.containerd.Ctr(kNamespace, {"content", "prune", "references"});
  CHECK(setup.snapshotter.Keys() == std::set<std::string>{"remote/" + image.chain_id});

  const auto again = setup.Client().Import(image, Soon());
  REQUIRE_OK(again);
  CHECK_FALSE(again->replaced_ordinary_snapshot);
  CHECK_FALSE(again->shadowed_by_ordinary_snapshot);
}

TEST_CASE("An ordinary snapshot that is in use is not replaced, and its users are named") {
  Setup setup;
  ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  CommitOrdinary(setup, image.chain_id, /*with_ref_label=*/false);
  REQUIRE_OK(setup.Client().Import(image, Soon()));
  setup.containerd.Ctr(
      kNamespace, {"snapshots", "--snapshotter", "remote", "prepare", "other key", image.chain_id});
  setup.containerd.Ctr(kNamespace, {"images", "rm", image.image_names.back()});

  image.replace_ordinary_snapshot = true;
  const absl::Status status = setup.Client().Import(image, Soon()).status();
  INFO(status.message());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(),
                          "in namespace 'tests' it is used by snapshot 'other key';"));
  CHECK(absl::StrContains(setup.Snapshots("remote"), image.chain_id));
  CHECK(setup.Images() == image.image_names.front() + "\n");
  CHECK(setup.Leases().empty());

  setup.containerd.Ctr(kNamespace, {"snapshots", "--snapshotter", "remote", "rm", "other key"});
  const auto replaced = setup.Client().Import(image, Soon());
  REQUIRE_OK(replaced);
  CHECK(replaced->replaced_ordinary_snapshot);
  CheckComplete(setup, image);
}

TEST_CASE("A blob that was there without labels gets them") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  REQUIRE_OK(WriteContent(setup.Scope(), {.ref = "other",
                                          .digest = image.config_digest,
                                          .bytes = image.config,
                                          .labels = {{"containerd.io/gc.root", "test"}}}));
  CHECK_FALSE(absl::StrContains(setup.Content(image.config_digest), ConfigLabel(image)));
  REQUIRE_OK(setup.Client().Import(image, Soon()));
  CheckComplete(setup, image);
  CHECK(absl::StrContains(setup.Content(image.config_digest), "gc.root=test"));
}

TEST_CASE("A manifest of several messages arrives whole") {
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote", /*padding_bytes=*/(5 << 20) / 2);
  setup.snapshotter.Know(image.chain_id);
  REQUIRE_OK(setup.Client().Import(image, Soon()));
  CHECK(setup.containerd.Ctr(kNamespace, {"content", "get", image.manifest_digest.ToString()}) ==
        image.manifest);
}

TEST_CASE("A blob that another client is writing is waited for") {
  namespace api = ::containerd::services::content::v1;
  Setup setup;
  const ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  const CallScope scope = setup.Scope();
  grpc::ClientContext context;
  PrepareCall(scope, context);
  const auto stream = api::Content::NewStub(scope.channel)->Write(&context);
  api::WriteContentRequest request;
  request.set_action(api::WRITE);
  request.set_ref("config-" + image.config_digest.ToString());
  request.set_data("half");
  api::WriteContentResponse response;
  REQUIRE(stream->Write(request));
  REQUIRE(stream->Read(&response));

  const std::jthread other([&] {
    absl::SleepFor(absl::Milliseconds(400));
    stream->WritesDone();
    for (api::WriteContentResponse rest; stream->Read(&rest);) {
    }
    (void)stream->Finish();
  });
  const absl::Time start = absl::Now();
  REQUIRE_OK(setup.Client().Import(image, Soon()));
  CHECK(absl::Now() - start >= absl::Milliseconds(300));
  CheckComplete(setup, image);
}

TEST_CASE("Bytes that do not have their digest are refused") {
  Setup setup;
  ImportRequest image = SampleImage("git", "remote");
  setup.snapshotter.Know(image.chain_id);
  image.config += " ";
  const absl::Status status = setup.Client().Import(image, Soon()).status();
  INFO(status.message());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), image.config_digest.ToString()));
  CHECK(setup.Content(image.config_digest).empty());
  CHECK(setup.Leases().empty());
  CHECK(setup.Images().empty());
}

TEST_CASE("An image without a name is refused before anything is written") {
  Setup setup;
  ImportRequest image = SampleImage("git", "remote");
  image.image_names.clear();
  CHECK(absl::IsInvalidArgument(setup.Client().Import(image, Soon()).status()));
  CHECK(setup.Content(image.config_digest).empty());
}

}  // namespace
}  // namespace stowage
