#include "layering/layer_archive.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "absl/strings/match.h"
#include "base/sha256.h"
#include "tests/layering/collecting_sink.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::CollectingSink;
using testing::SyntheticStore;

std::string Whole(const LayerArchive& archive) {
  CollectingSink sink;
  REQUIRE_OK(archive.Emit(0, archive.size_bytes(), sink));
  return sink.content;
}

LayerArchive Describe(const SyntheticStore& store, const std::vector<std::string>& base_names) {
  auto archive = LayerArchive::ForStorePaths(store.path(), base_names);
  REQUIRE_OK(archive);
  return *std::move(archive);
}

absl::Status EmitWhole(const LayerArchive& archive) {
  CollectingSink sink;
  return archive.Emit(0, archive.size_bytes(), sink);
}

TEST_CASE("A layer of no store paths is two directories and the trailer", "[layering][archive]") {
  const SyntheticStore store;
  const LayerArchive archive = Describe(store, {});
  CHECK(archive.size_bytes() == 2048);
  CHECK(Sha256(Whole(archive)).hex() ==
        "098b067bb7810f4040746552155a3e4c4efc4145d44183c94621abf90a82257e");
}

TEST_CASE("The tar of every odd store path is frozen", "[layering][archive]") {
  const SyntheticStore store;
  const LayerArchive archive = Describe(store, testing::MakeOddStore(store));
  const std::string tar = Whole(archive);
  CHECK(tar.size() == archive.size_bytes());
  CHECK(Sha256(tar).hex() == "58068a641f62f44dd96353f48e4bfa9f5f76f9e9f2193e7dca72b862baabd8b4");
}

TEST_CASE("A layer does not depend on times, owners, extra permission bits or hard links",
          "[layering][archive]") {
  const std::string base = SyntheticStore::BaseName('a', "x");
  const SyntheticStore store;
  store.File(base + "/one", "same", true);
  store.File(base + "/two", "same", true);
  const std::string before = Whole(Describe(store, {base}));
  REQUIRE(::unlink(store.Join(base + "/two").c_str()) == 0);
  REQUIRE(::link(store.Join(base + "/one").c_str(), store.Join(base + "/two").c_str()) == 0);
  REQUIRE(::chmod(store.Join(base + "/one").c_str(), 06711) == 0);
  REQUIRE(::chmod(store.Join(base).c_str(), 02700) == 0);
  CHECK(Whole(Describe(store, {base})) == before);
}

TEST_CASE("Entries come depth first, names sorted by bytes", "[layering][archive]") {
  const std::string base = SyntheticStore::BaseName('a', "x");
  const SyntheticStore store;
  for (const char* name : {"a/z", "a.b", "B", "\xc3\xa4"}) store.File(base + "/" + name);
  const std::string tar = Whole(Describe(store, {base}));
  std::vector<std::string> names;
  for (size_t offset = 0; offset + 1024 < tar.size(); offset += 512)
    names.emplace_back(tar.c_str() + offset);
  CHECK(names == std::vector<std::string>{
                     "nix/", "nix/store/", "nix/store/" + base + "/", "nix/store/" + base + "/B",
                     "nix/store/" + base + "/a/", "nix/store/" + base + "/a/z",
                     "nix/store/" + base + "/a.b", "nix/store/" + base + "/\xc3\xa4"});
}

TEST_CASE("Any range is the slice of the whole", "[layering][archive]") {
  const SyntheticStore store;
  const LayerArchive archive = Describe(store, testing::MakeOddStore(store));
  const std::string whole = Whole(archive);
  std::mt19937_64 random(1);
  for (int i = 0; i < 400; ++i) {
    const uint64_t begin = random() % (whole.size() + 1);
    const uint64_t longest = i % 2 == 0 ? whole.size() : 3000;
    const uint64_t end = begin + random() % (std::min(longest, whole.size() - begin) + 1);
    CollectingSink sink;
    REQUIRE_OK(archive.Emit(begin, end, sink));
    INFO("bytes " << begin << " to " << end);
    REQUIRE((sink.content == whole.substr(begin, end - begin)));
  }
}

TEST_CASE("Every single byte of a small layer can be asked for", "[layering][archive]") {
  const std::string base = SyntheticStore::BaseName('a', "x");
  const SyntheticStore store;
  store.File(base + "/" + std::string(150, 'n'), "content");
  const LayerArchive archive = Describe(store, {base});
  std::string collected;
  for (uint64_t at = 0; at < archive.size_bytes(); ++at) {
    CollectingSink sink;
    REQUIRE_OK(archive.Emit(at, at + 1, sink));
    collected += sink.content;
  }
  CHECK((collected == Whole(archive)));
}

TEST_CASE("Small files are gathered, large ones come as files", "[layering][archive]") {
  const std::string base = SyntheticStore::BaseName('a', "x");
  const SyntheticStore store;
  for (int i = 0; i < 200; ++i) store.File(base + "/" + std::to_string(i), std::string(4000, 'x'));
  store.File(base + "/large", std::string(65537, 'x'));
  const LayerArchive archive = Describe(store, {base});
  CollectingSink sink;
  REQUIRE_OK(archive.Emit(0, archive.size_bytes(), sink));
  CHECK(sink.file_calls == 1);
  CHECK(sink.memory_calls <= 4);  // 200 * 4.6 KiB in pieces of 512 KiB, and what follows the file
}

TEST_CASE("A range outside the layer is OutOfRange", "[layering][archive]") {
  const SyntheticStore store;
  const LayerArchive archive = Describe(store, {});
  CollectingSink sink;
  CHECK(absl::IsOutOfRange(archive.Emit(0, archive.size_bytes() + 1, sink)));
  CHECK(absl::IsOutOfRange(archive.Emit(2, 1, sink)));
  REQUIRE_OK(archive.Emit(archive.size_bytes(), archive.size_bytes(), sink));
  CHECK(sink.content.empty());
}

TEST_CASE("A file that is not the one described any more is DataLoss", "[layering][archive]") {
  const size_t size = GENERATE(100, 100000);
  const std::string base = SyntheticStore::BaseName('a', "x");
  const SyntheticStore store;
  store.File(base + "/sub/file", std::string(size, 'x'));
  const LayerArchive archive = Describe(store, {base});
  const std::string path = store.Join(base + "/sub/file");
  SECTION("longer") { store.File(base + "/sub/file", std::string(size + 1, 'x')); }
  SECTION("shorter") { REQUIRE(::truncate(path.c_str(), 1) == 0); }
  SECTION("gone") { REQUIRE(::unlink(path.c_str()) == 0); }
  SECTION("a directory") {
    REQUIRE(::unlink(path.c_str()) == 0);
    store.Directory(base + "/sub/file");
  }
  SECTION("a fifo, which must not block") {
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(::mkfifo(path.c_str(), 0644) == 0);
  }
  SECTION("a link to a file of the same size") {
    store.File("elsewhere", std::string(size, 'x'));
    REQUIRE(::unlink(path.c_str()) == 0);
    store.Symlink(base + "/sub/file", store.Join("elsewhere"));
  }
  SECTION("below a link") {
    REQUIRE(::rename(store.Join(base + "/sub").c_str(), store.Join("moved").c_str()) == 0);
    store.Symlink(base + "/sub", store.Join("moved"));
  }
  const absl::Status status = EmitWhole(archive);
  INFO(status.ToString());
  CHECK(absl::IsDataLoss(status));
  CHECK(absl::StrContains(status.message(), base + "/sub/file"));
  CHECK(absl::IsDataLoss(archive.Hash({}).status()));
}

TEST_CASE("The sink's error is returned at once", "[layering][archive]") {
  class FailingSink : public LayerSink {
   public:
    explicit FailingSink(bool at_file) : at_file_(at_file) {}
    absl::Status Memory(absl::string_view) override {
      ++calls;
      return at_file_ ? absl::OkStatus() : absl::CancelledError("client left");
    }
    absl::Status File(int, uint64_t, uint64_t) override {
      ++calls;
      return absl::CancelledError("client left");
    }
    int calls = 0;

   private:
    const bool at_file_;
  };
  const SyntheticStore store;
  const std::string base = SyntheticStore::BaseName('a', "x");
  for (const char* name : {"1", "2", "3"})
    store.File(base + "/" + name, std::string(size_t{700} << 10, 'x'));
  const LayerArchive archive = Describe(store, {base});
  const bool at_file = GENERATE(false, true);
  FailingSink sink(at_file);
  const absl::Status status = archive.Emit(0, archive.size_bytes(), sink);
  CHECK(status == absl::CancelledError("client left"));
  CHECK(sink.calls == (at_file ? 2 : 1));
}

TEST_CASE("What no layer can hold is refused with its name", "[layering][archive]") {
  const SyntheticStore store;
  const std::string a = SyntheticStore::BaseName('a', "x");
  const std::string b = SyntheticStore::BaseName('b', "x");
  store.Directory(a);
  store.Directory(b);
  const auto status = [&](const std::vector<std::string>& base_names) {
    return LayerArchive::ForStorePaths(store.path(), base_names).status();
  };
  CHECK(absl::IsInvalidArgument(status({b, a})));
  CHECK(absl::IsInvalidArgument(status({a, a})));
  CHECK(absl::IsInvalidArgument(status({"../" + a})));
  CHECK(absl::IsNotFound(status({a, SyntheticStore::BaseName('c', "missing")})));
  CHECK(absl::IsNotFound(LayerArchive::ForStorePaths(store.Join("none"), {}).status()));
  REQUIRE(::mkfifo(store.Join(a + "/fifo").c_str(), 0644) == 0);
  const absl::Status fifo = status({a, b});
  CHECK(absl::IsInvalidArgument(fifo));
  CHECK(absl::StrContains(fifo.message(), a + "/fifo"));
}

TEST_CASE("A tree deeper than PATH_MAX and than the number of descriptors is described and read",
          "[layering][archive]") {
  const SyntheticStore store;
  const std::string base = SyntheticStore::BaseName('a', "deep");
  store.Directory(base);
  const std::string name(200, 'd');
  UniqueFd at = OpenAt(AT_FDCWD, store.Join(base), O_PATH | O_DIRECTORY).value();
  for (int depth = 0; depth < 60; ++depth) {
    REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
    at = OpenAt(at.get(), name, O_PATH | O_DIRECTORY).value();
  }
  const UniqueFd file = OpenAt(at.get(), "file", O_WRONLY | O_CREAT, 0644).value();
  REQUIRE_OK(WriteAll(file.get(), "at the bottom", "file"));
  rlimit before;
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few = {.rlim_cur = 40, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto described = LayerArchive::ForStorePaths(store.path(), std::vector<std::string>{base});
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_OK(described);
  const LayerArchive& archive = *described;
  CollectingSink sink;
  REQUIRE_OK(archive.Emit(archive.size_bytes() - 1536, archive.size_bytes(), sink));
  CHECK(absl::StartsWith(sink.content, "at the bottom"));
}

TEST_CASE("ForDirectory keeps permission bits and has no entry for the directory itself",
          "[layering][archive]") {
  const SyntheticStore store;
  store.Directory("tmp");
  store.Directory("var");
  store.File("etc/passwd", "root");
  REQUIRE(::chmod(store.Join("tmp").c_str(), 01777) == 0);
  REQUIRE(::chmod(store.Join("var").c_str(), 0700) == 0);
  REQUIRE(::chmod(store.Join("etc").c_str(), 0755) == 0);
  REQUIRE(::chmod(store.Join("etc/passwd").c_str(), 0640) == 0);
  auto archive = LayerArchive::ForDirectory(store.path());
  REQUIRE_OK(archive);
  const std::string tar = Whole(*archive);
  const auto header = [&](int block) { return tar.substr(static_cast<size_t>(block) * 512, 108); };
  const auto expected = [](const std::string& name, const std::string& mode) {
    return name + std::string(100 - name.size(), '\0') + mode + std::string(1, '\0');
  };
  CHECK(header(0) == expected("etc/", "0000755"));
  CHECK(header(1) == expected("etc/passwd", "0000640"));
  CHECK(header(3) == expected("tmp/", "0001777"));
  CHECK(header(4) == expected("var/", "0000700"));
  CHECK(tar.size() == 7 * 512);
}

TEST_CASE("Hash is the digest of the whole and reports every byte once", "[layering][archive]") {
  const SyntheticStore store;
  const std::string base = SyntheticStore::BaseName('a', "x");
  store.File(base + "/large", std::string((size_t{40} << 20) + 5, 'x'));
  store.File(base + "/small", "x");
  const LayerArchive archive = Describe(store, {base});
  uint64_t reported = 0;
  int calls = 0;
  const auto digest = archive.Hash([&](uint64_t bytes) {
    reported += bytes;
    ++calls;
  });
  REQUIRE_OK(digest);
  CHECK(digest->diff_id == Sha256(Whole(archive)));
  CHECK(digest->size_bytes == archive.size_bytes());
  CHECK(reported == archive.size_bytes());
  CHECK(calls >= 3);
}

}  // namespace
}  // namespace stowage
