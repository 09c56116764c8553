#include "tests/plugin/registry/test_layer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"

namespace stowage::testing {
namespace {

constexpr char kBaseName[] = "00000000000000000000000000000000-test-1.0";

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T Value(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

void WriteFile(const std::string& path, const std::string& content) {
  const UniqueFd fd = Value(OpenAt(AT_FDCWD, path, O_CREAT | O_WRONLY | O_EXCL, 0644));
  Check(WriteAll(fd.get(), content, path));
}

std::string Bytes(uint64_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  for (uint64_t i = 0; i < size; ++i) {
    seed = seed * 1664525 + 1013904223;
    bytes[i] = static_cast<char>("0123456789abcdef"[seed >> 28]);
  }
  return bytes;
}

std::shared_ptr<const LayerArchive> MakeArchive(const std::string& store, uint64_t large_bytes) {
  const std::string root = absl::StrCat(store, "/", kBaseName);
  Check(MakeDirectories(root + "/small"));
  for (uint32_t i = 0; i < 200; ++i)
    WriteFile(absl::StrCat(root, "/small/", i), Bytes(i * 37 % 3000, i));
  WriteFile(root + "/large", Bytes(large_bytes, 7));
  return std::make_shared<const LayerArchive>(
      Value(LayerArchive::ForStorePaths(store, {kBaseName})));
}

class Collector : public LayerSink {
 public:
  absl::Status Memory(absl::string_view bytes) override {
    content.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::Status File(int fd, uint64_t offset, uint64_t size) override {
    const size_t before = content.size();
    content.resize(before + size);
    return PreadExactly(fd, content.data() + before, size, offset, "file");
  }
  std::string content;
};

std::string Collect(const LayerArchive& archive) {
  Collector collector;
  Check(archive.Emit(0, archive.size_bytes(), collector));
  return collector.content;
}

}  // namespace

TestLayer::TestLayer(uint64_t large_file_bytes)
    : archive_(MakeArchive(store_.path(), large_file_bytes)),
      content_(Collect(*archive_)),
      digest_(Sha256(content_)) {}

void TestLayer::Resize(const std::string& file, uint64_t size_bytes) const {
  const std::string path = absl::StrCat(store_.path(), "/", kBaseName, "/", file);
  if (::truncate(path.c_str(), static_cast<off_t>(size_bytes)) != 0)
    throw std::runtime_error("truncate " + path);
}

}  // namespace stowage::testing
