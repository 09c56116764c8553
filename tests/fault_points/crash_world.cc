#include "tests/fault_points/crash_world.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/sha256.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "plugin/images/lazy_images.h"

namespace stowage::testing {
namespace {

const std::string kApplication = SyntheticStore::BaseName('a', "application");
const std::string kLibrary = SyntheticStore::BaseName('b', "library");
const std::string kRuntime = SyntheticStore::BaseName('c', "runtime");

Closure ThreePaths() {
  Closure closure;
  const std::vector<std::vector<uint32_t>> references = {{1, 2}, {2}, {}};
  for (const std::string& name : {kApplication, kLibrary, kRuntime})
    closure.objects.push_back({StorePath::FromBaseName(name).value(), Sha256(name), 1000,
                               references[closure.objects.size()]});
  closure.roots = {0};
  return closure;
}

ImageBuildRequest Request() {
  return {ImageReference::Parse("nix/application").value(),
          Sha256("cache key"),
          "test",
          "",
          "",
          {{RealisedPackage::Origin::kAsked, StorePath::FromBaseName(kApplication).value(), ""}},
          ThreePaths(),
          {}};
}

std::vector<std::string> Texts(SqliteDatabase& database, const std::string& sql) {
  std::vector<std::string> texts;
  auto query = database.Prepare(sql);
  while (query.ok() && query->Step().value()) texts.push_back(query->ColumnText(0));
  if (!query.ok()) throw std::runtime_error(query.status().ToString());
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::vector<std::string> Names(const std::string& directory) {
  auto names = ListDirectory(directory);
  return names.ok() ? *names : std::vector<std::string>();
}

// The names of `present` that are not in `wanted`, as a text; "" if there are none.
std::string Surplus(const std::vector<std::string>& present,
                    const std::vector<std::string>& wanted) {
  std::string surplus;
  for (const std::string& name : present)
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end())
      absl::StrAppend(&surplus, " ", name);
  return surplus;
}

// Nix's database, in which is valid what is there.
class StoreAsDatabase : public ClosureReader {
 public:
  explicit StoreAsDatabase(std::string store) : store_(std::move(store)) {}
  absl::StatusOr<Closure> Read(absl::Span<const StorePath>) override { return ThreePaths(); }
  absl::Status CheckPathsValid(absl::Span<const StorePath>) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override {
    std::vector<std::optional<Digest>> hashes(paths.size());
    for (size_t i = 0; i < paths.size(); ++i)
      if (::access(absl::StrCat(store_, "/", paths[i].base_name()).c_str(), F_OK) == 0)
        hashes[i] = Sha256(paths[i].base_name());
    return hashes;
  }

 private:
  const std::string store_;
};

}  // namespace

void FillStore(const SyntheticStore& store) {
  store.File(kApplication + "/bin/application", "program", /*executable=*/true);
  store.Symlink(kApplication + "/lib", "/nix/store/" + kLibrary + "/lib");
  store.File(kLibrary + "/lib/library.so", "library");
  store.File(kRuntime + "/share/text", "text");
}

CrashWorld::CrashWorld(std::string directory, const SyntheticStore& store)
    : directory_(std::move(directory)), store_(store) {}

absl::Status CrashWorld::Open() {
  LayerCatalogOptions options;
  options.state_directory = directory_ + "/state";
  options.gc_roots_directory = directory_ + "/roots";
  options.fuse_mountpoint = directory_ + "/fs";
  options.store_directory = store_.path();
  const std::string database = options.state_directory + "/stowage.db";
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(options.state_directory));
  STOWAGE_ASSIGN_OR_RETURN(catalog_, LayerCatalog::Open(options));
  STOWAGE_ASSIGN_OR_RETURN(images_, ImageTable::Open(database));
  SnapshotterOptions snapshots;
  snapshots.state_directory = options.state_directory;
  snapshots.database_path = database;
  snapshots.overlay = {.index_off = true, .user_xattr = false};
  STOWAGE_ASSIGN_OR_RETURN(snapshotter_, Snapshotter::Open(std::move(snapshots), *catalog_));
  return absl::OkStatus();
}

ImageBuilderOptions CrashWorld::BuilderOptions() const {
  ImageBuilderOptions options;
  options.state_directory = directory_ + "/state";
  options.store_directory = store_.path();
  options.hold = absl::Hours(1);
  options.prepare_views = true;
  return options;
}

absl::StatusOr<ImageRecord> CrashWorld::BuildImage() {
  return ImageBuilder(BuilderOptions(), *catalog_, *images_)
      .Build(Request(), [](const ResolveProgress&) {});
}

absl::StatusOr<ImageRecord> CrashWorld::MakeProvisional() {
  STOWAGE_ASSIGN_OR_RETURN(Profile profile, ComposeProfile({store_.path(), {kApplication}}));
  return ImageBuilder(BuilderOptions(), *catalog_, *images_)
      .MakeProvisional(Request(), {std::move(profile), {{kLibrary, Sha256("listing")}}});
}

absl::StatusOr<std::vector<int64_t>> CrashWorld::ImageLayers() {
  STOWAGE_ASSIGN_OR_RETURN(const ImageRecord image, images_->FindByCacheKey(Sha256("cache key")));
  return images_->Layers(image.id);
}

absl::Status CrashWorld::HoldLazily() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, ImageLayers());
  NixOptions nix;
  nix.state_directory = directory_;
  StoreAsDatabase closures(store_.path());
  const absl::Time now = absl::Now();
  STOWAGE_ASSIGN_OR_RETURN(
      const bool held, stowage::HoldLazily({*catalog_, closures, nix}, layers, now + absl::Hours(1),
                                           {now + absl::Seconds(10), std::stop_token()}));
  return held ? absl::OkStatus() : absl::InternalError("the image cannot be held lazily");
}

absl::Status CrashWorld::KeepPromises() {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, ImageLayers());
  STOWAGE_RETURN_IF_ERROR(catalog_->KeepPromises(layers));
  return catalog_->CheckComplete(layers);
}

void CrashWorld::TakeLibraryAway() {
  std::filesystem::rename(store_.path() + "/" + kLibrary, store_.path() + "/away");
}

void CrashWorld::BringLibraryBack() {
  std::filesystem::rename(store_.path() + "/away", store_.path() + "/" + kLibrary);
}

absl::Status CrashWorld::PrepareRemote() {
  STOWAGE_ASSIGN_OR_RETURN(const ImageRecord image, images_->FindByCacheKey(Sha256("cache key")));
  return snapshotter_->Prepare("extract-1", "", {{kSnapshotRefLabel, image.chain_id.ToString()}})
      .status();
}

std::string CrashWorld::Unclaimed() {
  const std::string state = directory_ + "/state";
  auto opened = SqliteDatabase::Open(state + "/stowage.db");
  if (!opened.ok()) return opened.status().ToString();
  SqliteDatabase& database = *opened;
  if (Texts(database, "PRAGMA integrity_check") != std::vector<std::string>{"ok"} ||
      !Texts(database, "PRAGMA foreign_key_check").empty())
    return "the database is damaged";
  std::vector<std::string> directories =
      Texts(database,
            "SELECT id FROM snapshots WHERE chain_id='' AND NOT (kind=1 AND parent_id NOTNULL)");
  directories.emplace_back(".stowage");
  std::sort(directories.begin(), directories.end());
  if (Names(state + "/snapshots") != directories)
    return absl::StrCat(
        "snapshot directories and rows differ:", Surplus(Names(state + "/snapshots"), directories),
        " |", Surplus(directories, Names(state + "/snapshots")));
  if (Names(directory_ + "/roots/layers") !=
      Texts(database, "SELECT substr(content_key, 8) FROM layers WHERE rooted=1 AND kind=0"))
    return "GC roots and the layers that claim them differ";
  const std::pair<const char*, std::vector<std::string>> known[] = {
      {"",
       {"boot_id", "expected_trees", "idmapped", "objects", "overlay", "profile_records",
        "profiles", "promises", "snapshots", "stowage.db", "stowage.db-shm", "stowage.db-wal",
        "views"}},
      {"/idmapped", {}},
      {"/profiles",
       Texts(database, "SELECT substr(diff_id, 8) FROM layers WHERE rooted=1 AND kind=1")},
      {"/profile_records", Texts(database, "SELECT substr(diff_id, 8) FROM layers WHERE kind=1")},
      {"/expected_trees", Texts(database,
                                "SELECT object_number FROM layer_objects JOIN layers ON "
                                "id=layer_id WHERE recorded_by='provisional'")},
      {"/promises", Texts(database,
                          "SELECT object_number FROM layer_objects JOIN layers ON "
                          "id=layer_id WHERE rooted=1")},
      {"/views", Texts(database, "SELECT number FROM views")},
      {"/objects", Texts(database, "SELECT object_number FROM layer_objects")}};
  for (const auto& [name, wanted] : known) {
    const std::string surplus = Surplus(Names(state + name), wanted);
    if (!surplus.empty()) return absl::StrCat("left over in ", state, name, ":", surplus);
  }
  return "";
}

std::string CrashWorld::Inconsistency() {
  std::string found;
  // The daemon begins with that too.
  if (const auto collected = catalog_->Collect(absl::Now()); !collected.ok())
    return collected.status().ToString();
  for (int i = 0; i < 500; ++i) {
    found = Unclaimed();
    if (found.empty()) return found;
    ::usleep(2'000);
  }
  return found;
}

std::string DieAt(int hit, const std::function<absl::Status()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    (void)::dup2(ends[1], STDERR_FILENO);
    (void)::close(ends[0]);
    ArmFaultPoint("*", hit);
    const absl::Status status = work();
    // What would be deleted in the background is not waited for.
    ArmFaultPoint("*", 0);
    if (!status.ok()) {
      const std::string message = status.ToString();
      (void)!::write(STDERR_FILENO, message.data(), message.size());
    }
    ::_exit(status.ok() ? 0 : 1);
  }
  (void)::close(ends[1]);
  std::string said;
  char buffer[1024];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<size_t>(count));
  (void)::close(ends[0]);
  int status = 0;
  (void)::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  absl::string_view name = said;
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL ||
      !absl::ConsumePrefix(&name, "fault_point ") || !absl::ConsumeSuffix(&name, "\n"))
    throw std::runtime_error("the child ended otherwise: " + said);
  return std::string(name);
}

}  // namespace stowage::testing
