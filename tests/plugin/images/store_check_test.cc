#include "plugin/images/store_check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "layering/layer_archive.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kFirst = "00000000000000000000000000000001-first";
const std::string kSecond = "00000000000000000000000000000002-second";

// Two store paths with Nix's times in one layer.
struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerTable> table = LayerTable::Open(directory.Join("stowage.db")).value();
  LayerRecord layer = {0, LayerKind::kStorePaths, Sha256("content"), Sha256("diff"), 0, true};
  std::vector<std::string> warnings;
  std::unique_ptr<StoreCheck> check;

  Fixture() {
    for (const std::string& path : {kFirst, kSecond}) {
      REQUIRE_OK(MakeDirectories(In(path, "bin")));
      REQUIRE_OK(WriteFileAtomically(In(path, "bin/program"), "hi", 0755));
      for (const char* name : {"bin/program", "bin", ""}) SetNixTime(In(path, name));
    }
    const auto archive = LayerArchive::ForStorePaths(directory.Join("store"),
                                                     std::vector<std::string>{kFirst, kSecond});
    REQUIRE_OK(archive);
    const LayerDigest digest = archive->Hash({}).value();
    layer.diff_id = digest.diff_id;
    layer.size_bytes = digest.size_bytes;
    layer.id =
        table->Record(layer, {{0, kFirst, Sha256("nar 1")}, {0, kSecond, Sha256("nar 2")}}).value();
    Start();
  }

  // A StoreCheck that has not looked at anything.
  void Start() {
    check.reset();
    check = std::make_unique<StoreCheck>(
        directory.Join("store"), table.get(),
        [this](absl::string_view line) { warnings.emplace_back(line); });
  }

  std::string In(const std::string& path, const std::string& name) const {
    return directory.Join("store/" + path + "/" + name);
  }

  static void SetNixTime(const std::string& path) {
    const timespec times[] = {{1, 0}, {1, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  }

  // What is said once the layer was looked at.
  absl::Status Looked() {
    const absl::Status first = check->Check({layer});
    if (!first.ok()) return first;
    check->Drain();
    return check->Check({layer});
  }
};

TEST_CASE("StoreCheck says nothing of store paths that are as they were", "[plugin][store_check]") {
  Fixture f;
  REQUIRE_OK(f.Looked());
  SECTION("nor of those with other times over the same content") {
    REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "hi", 0755));
    f.Start();
    REQUIRE_OK(f.Looked());
  }
  SECTION("nor of one that is not there: who looks for it says so") {
    REQUIRE_OK(RemoveTree(f.In(kFirst, "")));
    f.Start();
    REQUIRE_OK(f.Looked());
  }
  CHECK(f.warnings.empty());
}

TEST_CASE("StoreCheck names what was changed, once in the log and at every question",
          "[plugin][store_check]") {
  Fixture f;
  std::string changed = "bin/program";
  SECTION("other bytes of the same number") {
    REQUIRE_OK(WriteFileAtomically(f.In(kSecond, "bin/program"), "ho", 0755));
    changed = "bin";  // where the file was replaced; it is met first
  }
  SECTION("bytes written over those of the file") {
    const UniqueFd fd(::open(f.In(kSecond, "bin/program").c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::write(fd.get(), "ho", 2) == 2);
  }
  SECTION("a file that is gone") {
    REQUIRE(::unlink(f.In(kSecond, "bin/program").c_str()) == 0);
    changed = "bin";
  }
  SECTION("a file too many") {
    REQUIRE_OK(WriteFileAtomically(f.In(kSecond, "more"), "", 0444));
    changed = "";
  }
  const std::string named = changed.empty() ? kSecond : absl::StrCat(kSecond, "/", changed);
  for (int i = 0; i < 3; ++i) {
    const absl::Status said = f.Looked();
    CHECK(absl::IsDataLoss(said));
    CHECK(absl::StrContains(said.message(), absl::StrCat(named, " was changed")));
    CHECK(absl::StrContains(said.message(), absl::StrCat("store/", kSecond, "' makes")));
  }
  REQUIRE(f.warnings.size() == 1);
  CHECK(absl::StrContains(f.warnings[0], named));
}

TEST_CASE("StoreCheck takes a repaired store path at once", "[plugin][store_check]") {
  Fixture f;
  REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "ho", 0755));
  CHECK(absl::IsDataLoss(f.Looked()));
  REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "hi", 0755));
  for (const char* name : {"bin/program", "bin"}) Fixture::SetNixTime(f.In(kFirst, name));
  REQUIRE_OK(f.check->Check({f.layer}));
}

TEST_CASE("StoreCheck takes no store path for changed that comes and goes meanwhile",
          "[plugin][store_check]") {
  Fixture f;
  REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "hi", 0755));  // not Nix's time
  const std::string path = f.directory.Join("store/" + kFirst);
  for (int i = 0; i < 100; ++i) {
    f.Start();
    REQUIRE_OK(f.check->Check({f.layer}));
    REQUIRE(std::rename(path.c_str(), f.directory.Join("away").c_str()) == 0);
    REQUIRE(std::rename(f.directory.Join("away").c_str(), path.c_str()) == 0);
    f.check->Drain();
    REQUIRE_OK(f.check->Check({f.layer}));
  }
}

TEST_CASE("StoreCheck leaves a layer alone that it has just looked at", "[plugin][store_check]") {
  Fixture f;
  REQUIRE_OK(f.Looked());
  REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "ho", 0755));
  REQUIRE_OK(f.Looked());
}

TEST_CASE("StoreCheck ends with work left to do", "[plugin][store_check]") {
  Fixture f;
  REQUIRE_OK(WriteFileAtomically(f.In(kFirst, "bin/program"), "ho", 0755));
  REQUIRE_OK(f.check->Check({f.layer}));
  f.check.reset();
}

}  // namespace
}  // namespace stowage
