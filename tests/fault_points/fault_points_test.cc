#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "tests/fault_points/crash_world.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::CrashWorld;
using testing::DieAt;
using testing::SyntheticStore;
using testing::TemporaryDirectory;

// One change of the state, which stowaged may be killed in.
struct Step {
  std::string name;
  std::function<absl::Status(CrashWorld&)> run;
  // What it says when it is done already.
  absl::StatusCode done = absl::StatusCode::kOk;
  // Changes made to the directory before, as by an earlier crash or a person.
  std::function<void(CrashWorld&)> before;
};

std::vector<std::string> SnapshotNames(CrashWorld& world) {
  std::vector<std::string> names;
  REQUIRE_OK(world.snapshotter().Walk({}, [&](const Snapshot& snapshot) {
    names.push_back(absl::StrCat(snapshot.name, " of kind ", static_cast<int>(snapshot.kind)));
    return absl::OkStatus();
  }));
  return names;
}

void Copy(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(
      from, to,
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
}

// Lets the step die at each of its fault points in turn, each time from the same state. After each
// death the state must be whole for the next process, and the step must then be possible. Leaves
// the state behind that the step makes.
void DieEverywhere(const Step& step, const std::string& state, const SyntheticStore& store,
                   std::set<std::string>& died_at) {
  const TemporaryDirectory scratch;
  std::vector<std::string> want;
  {
    Copy(state, scratch.Join("undisturbed"));
    CrashWorld world(scratch.Join("undisturbed"), store);
    REQUIRE_OK(world.Open());
    REQUIRE_OK(step.run(world));
    CHECK(world.Inconsistency() == "");
    want = SnapshotNames(world);
  }
  for (int hit = 1;; ++hit) {
    const std::string directory = scratch.Join(absl::StrCat(hit));
    Copy(state, directory);
    const std::string point = DieAt(hit, [&] {
      CrashWorld world(directory, store);
      STOWAGE_RETURN_IF_ERROR(world.Open());
      return step.run(world);
    });
    if (point.empty()) break;
    died_at.insert(point);
    INFO(step.name << " died at " << point << ", hit " << hit);
    CrashWorld world(directory, store);
    REQUIRE_OK(world.Open());
    CHECK(world.Inconsistency() == "");
    const absl::Status again = step.run(world);
    INFO(again);
    CHECK((again.ok() || again.code() == step.done));
    CHECK(world.Inconsistency() == "");
    CHECK(SnapshotNames(world) == want);
  }
  Copy(scratch.Join("undisturbed"), state);
}

absl::Status AwaitDeletions(CrashWorld& world) {
  const std::string found = world.Inconsistency();
  return found.empty() ? absl::OkStatus() : absl::InternalError(found);
}

Step Prepare(const std::string& key, const std::string& parent) {
  return {"prepare " + key,
          [=](CrashWorld& world) { return world.snapshotter().Prepare(key, parent, {}).status(); },
          absl::StatusCode::kAlreadyExists,
          {}};
}

Step Remove(const std::string& key) {
  return {"remove " + key,
          [=](CrashWorld& world) -> absl::Status {
            STOWAGE_RETURN_IF_ERROR(world.snapshotter().Remove(key));
            return AwaitDeletions(world);
          },
          absl::StatusCode::kNotFound,
          {}};
}

// What an earlier death, power loss or a person can leave, and a machine that was started anew.
void LeaveEverything(CrashWorld& world) {
  const std::string state = world.directory() + "/state";
  const std::string layers = world.directory() + "/roots/layers";
  REQUIRE_OK(MakeDirectories(state + "/snapshots/.new-0123/fs"));
  REQUIRE_OK(MakeDirectories(state + "/snapshots/.removing-9-0123/work"));
  REQUIRE_OK(MakeDirectories(state + "/snapshots/77/fs/deep/er"));
  REQUIRE_OK(MakeDirectories(state + "/profiles/new-1-1.tmp-012345/bin"));
  REQUIRE_OK(MakeDirectories(layers + "/.tmp-1-2-3"));
  REQUIRE_OK(MakeDirectories(layers + "/unclaimed"));
  for (const char* name : {"/boot_id", "/objects/1.tmp-012345", "/views/1.tmp-012345",
                           "/boot_id.tmp-012345", "/snapshots/.stowage.tmp-012345"})
    REQUIRE_OK(WriteFileAtomically(state + name, "what another boot has left"));
  const LayerRecord lost = {0, LayerKind::kStorePaths, Sha256("lost"), Sha256("lost"), 1, false};
  const std::string gone = SyntheticStore::BaseName('d', "gone");
  const auto id = world.catalog().table().Record(lost, {{0, gone, Sha256("gone")}});
  REQUIRE_OK(id);
  REQUIRE_OK(world.catalog().table().SetRooted({*id}, true));
}

std::vector<Step> Steps() {
  using World = CrashWorld;
  const auto open = [](World& world) { return AwaitDeletions(world); };
  const auto collect = [](World& world) {
    return world.catalog().Collect(absl::Now() + absl::Hours(2)).status();
  };
  return {
      {"first start", open, {}, {}},
      {"resolve", [](World& world) { return world.BuildImage().status(); }, {}, {}},
      Prepare("extract", ""),
      {"commit",
       [](World& world) { return world.snapshotter().Commit("base", "extract", {}); },
       absl::StatusCode::kNotFound,
       {}},
      Prepare("container", "base"),
      {"view",
       [](World& world) { return world.snapshotter().View("view", "base", {}).status(); },
       absl::StatusCode::kAlreadyExists,
       {}},
      {"update",
       [](World& world) {
         Snapshot wanted;
         wanted.name = "container";
         wanted.labels = {{"colour", "red"}};
         return world.snapshotter().Update(wanted, {}).status();
       },
       {},
       {}},
      {"prepare remote",
       [](World& world) {
         const absl::Status status = world.PrepareRemote();
         return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
       },
       {},
       {}},
      {"start after much", open, {}, LeaveEverything},
      {"resolve again", [](World& world) { return world.BuildImage().status(); }, {}, {}},
      Remove("container"),
      Remove("view"),
      Remove("base"),
      {"remove remote",
       [](World& world) -> absl::Status {
         std::string remote;
         STOWAGE_RETURN_IF_ERROR(world.snapshotter().Walk({}, [&](const Snapshot& snapshot) {
           remote = snapshot.name;
           return absl::OkStatus();
         }));
         return remote.empty() ? absl::NotFoundError("no remote snapshot")
                               : world.snapshotter().Remove(remote);
       },
       absl::StatusCode::kNotFound,
       {}},
      {"collect", collect, {}, {}},
      {"hold lazily",
       [](World& world) { return world.HoldLazily(); },
       {},
       [](World& world) { world.TakeLibraryAway(); }},
      {"keep promises",
       [](World& world) { return world.KeepPromises(); },
       {},
       [](World& world) { world.BringLibraryBack(); }},
      {"make a provisional image",
       [](World& world) { return world.MakeProvisional().status(); },
       {},
       {}},
      {"hold it lazily",
       [](World& world) { return world.HoldLazily(); },
       {},
       [](World& world) { world.TakeLibraryAway(); }},
      {"collect again", collect, {}, [](World& world) { world.BringLibraryBack(); }},
  };
}

TEST_CASE("whatever is being written when the daemon is killed is done or undone at the next start",
          "[fault_points]") {
  const SyntheticStore store;
  testing::FillStore(store);
  const TemporaryDirectory scratch;
  const std::string state = scratch.Join("state");
  REQUIRE_OK(MakeDirectories(state));
  std::set<std::string> died_at;
  for (const Step& step : Steps()) {
    if (step.before) {
      CrashWorld world(state, store);
      REQUIRE_OK(world.Open());
      step.before(world);
    }
    DieEverywhere(step, state, store, died_at);
  }
  // What is left at last: rows of what was once known, and nothing on disk.
  for (const char* name :
       {"/state/objects", "/state/views", "/state/profiles", "/state/promises", "/roots/layers"})
    CHECK(ListDirectory(state + name).value().empty());
  for (const std::string& point : FaultPoints()) {
    if (absl::StartsWith(point, "resolve.")) continue;  // around Nix: tests/chaos
    if (absl::StartsWith(point, "overlay.")) continue;  // around mounts: overlay_crash_test
    INFO(point);
    CHECK(died_at.contains(point));
  }
}

}  // namespace
}  // namespace stowage
