// Other people's readers unpack a layer; what they make must have the NAR hashes of the store
// paths.
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/subprocess.h"
#include "layering/layer_archive.h"
#include "tests/layering/collecting_sink.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/nar_hash.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::NarHash;
using testing::SyntheticStore;
using testing::TemporaryDirectory;

// A layer of the odd store paths as a file, and what must come out of it.
struct OddLayer {
  OddLayer() {
    base_names = testing::MakeOddStore(store);
    const auto archive = LayerArchive::ForStorePaths(store.path(), base_names);
    REQUIRE_OK(archive);
    testing::CollectingSink sink;
    REQUIRE_OK(archive->Emit(0, archive->size_bytes(), sink));
    REQUIRE_OK(WriteFileAtomically(unpacked.Join("layer.tar"), sink.content));
    REQUIRE_OK(MakeDirectories(unpacked.Join("root")));
  }

  void CheckUnpacked() const {
    CHECK(ListDirectory(unpacked.Join("root")).value() == std::vector<std::string>{"nix"});
    CHECK(ListDirectory(unpacked.Join("root/nix/store")).value() == base_names);
    for (const std::string& base_name : base_names) {
      INFO(base_name);
      const auto hash = NarHash(absl::StrCat(unpacked.Join("root/nix/store/"), base_name));
      REQUIRE_OK(hash);
      CHECK(*hash == NarHash(store.Join(base_name)).value());
    }
  }

  SyntheticStore store;
  TemporaryDirectory unpacked;
  std::vector<std::string> base_names;
};

// False if there is no such program.
bool RunReader(const std::vector<std::string>& argv) {
  SubprocessOptions options;
  options.argv = argv;
  options.deadline = absl::Now() + absl::Seconds(60);
  const auto result = RunSubprocess(options);
  if (absl::IsNotFound(result.status())) {
    WARN(argv.front() + " is not installed: not compared with");
    return false;
  }
  REQUIRE_OK(result);
  INFO(result->standard_error);
  CHECK(result->exit_code == 0);
  return true;
}

TEST_CASE("libarchive unpacks a layer to the store paths", "[layering][unpack]") {
  const OddLayer layer;
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  const std::unique_ptr<archive, int (*)(archive*)> disk(archive_write_disk_new(),
                                                         archive_write_free);
  archive_read_support_format_tar(reader.get());
  archive_write_disk_set_options(disk.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME);
  REQUIRE(archive_read_open_filename(reader.get(), layer.unpacked.Join("layer.tar").c_str(),
                                     1 << 16) == ARCHIVE_OK);
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const std::string path = archive_entry_pathname(entry);
    CHECK(archive_entry_uid(entry) == 0);
    CHECK(archive_entry_gid(entry) == 0);
    CHECK(archive_entry_mtime(entry) == 1);
    CHECK(archive_entry_hardlink(entry) == nullptr);
    archive_entry_copy_pathname(entry, (layer.unpacked.Join("root/") + path).c_str());
    const int extracted = archive_read_extract2(reader.get(), entry, disk.get());
    INFO(path << ": " << (extracted == ARCHIVE_OK ? "" : archive_error_string(reader.get())));
    REQUIRE(extracted == ARCHIVE_OK);
  }
  CHECK(result == ARCHIVE_EOF);
  REQUIRE(archive_write_close(disk.get()) == ARCHIVE_OK);
  layer.CheckUnpacked();
  struct stat status;
  REQUIRE(::stat(layer.unpacked.Join("root/nix/store").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0555);
  CHECK(status.st_mtime == 1);
}

TEST_CASE("GNU tar unpacks a layer to the store paths", "[layering][unpack]") {
  const OddLayer layer;
  if (RunReader(
          {"tar", "-C", layer.unpacked.Join("root"), "-xf", layer.unpacked.Join("layer.tar")}))
    layer.CheckUnpacked();
}

TEST_CASE("Python's tarfile unpacks a layer to the store paths", "[layering][unpack]") {
  const OddLayer layer;
  const std::string program =
      "import sys, tarfile\n"
      "trust = {'filter': 'fully_trusted'} if hasattr(tarfile, 'fully_trusted_filter') else {}\n"
      "with tarfile.open(sys.argv[1], errorlevel=2) as tar:\n"
      "    tar.extractall(sys.argv[2], **trust)\n";
  if (RunReader({"python3", "-X", "utf8", "-c", program, layer.unpacked.Join("layer.tar"),
                 layer.unpacked.Join("root")}))
    layer.CheckUnpacked();
}

TEST_CASE("Busybox unpacks a layer to the store paths", "[layering][unpack]") {
  const OddLayer layer;
  if (RunReader({"busybox", "tar", "-C", layer.unpacked.Join("root"), "-xf",
                 layer.unpacked.Join("layer.tar")}))
    layer.CheckUnpacked();
}

}  // namespace
}  // namespace stowage
