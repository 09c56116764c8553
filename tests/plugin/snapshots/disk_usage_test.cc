#include "plugin/snapshots/disk_usage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/descriptor_limit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

int64_t AllocatedBytes(const std::string& path) {
  struct stat status;
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return int64_t{status.st_blocks} * 512;
}

void WriteFile(const std::string& path, const std::string& content) {
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT, 0644);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), content, path));
}

TEST_CASE("MeasureDiskUsage counts the root and each inode once", "[plugin][disk_usage]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("a/b")));
  const std::string file = directory.Join("a/file");
  WriteFile(file, std::string(100000, 'x'));
  REQUIRE(::link(file.c_str(), directory.Join("a/b/again").c_str()) == 0);
  REQUIRE(::symlink("/etc", directory.Join("link").c_str()) == 0);
  const auto usage = MeasureDiskUsage(directory.path());
  REQUIRE_OK(usage);
  CHECK(usage->inodes == 5);  // root, a, a/b, the file, the link
  CHECK(usage->size_bytes == AllocatedBytes(directory.path()) +
                                 AllocatedBytes(directory.Join("a")) +
                                 AllocatedBytes(directory.Join("a/b")) + AllocatedBytes(file) +
                                 AllocatedBytes(directory.Join("link")));
}

TEST_CASE("MeasureDiskUsage counts allocated blocks, not the length of a sparse file",
          "[plugin][disk_usage]") {
  const testing::TemporaryDirectory directory;
  const std::string file = directory.Join("sparse");
  WriteFile(file, "");
  REQUIRE(::truncate(file.c_str(), off_t{1} << 30) == 0);
  const auto usage = MeasureDiskUsage(directory.path());
  REQUIRE_OK(usage);
  CHECK(usage->size_bytes < 1 << 20);
}

TEST_CASE("MeasureDiskUsage takes trees deeper than there are descriptors",
          "[plugin][disk_usage]") {
  constexpr int kDepth = 500;
  const testing::TemporaryDirectory directory;
  auto current = OpenAt(AT_FDCWD, directory.path(), O_RDONLY | O_DIRECTORY);
  REQUIRE_OK(current);
  for (int i = 0; i < kDepth; ++i) {
    REQUIRE(::mkdirat(current->get(), "d", 0755) == 0);
    current = OpenAt(current->get(), "d", O_RDONLY | O_DIRECTORY);
    REQUIRE_OK(current);
  }
  const testing::DescriptorLimit limit(100);
  const auto usage = MeasureDiskUsage(directory.path());
  REQUIRE_OK(usage);
  CHECK(usage->inodes == kDepth + 1);
}

TEST_CASE("MeasureDiskUsage of no directory is NotFound", "[plugin][disk_usage]") {
  const testing::TemporaryDirectory directory;
  CHECK(absl::IsNotFound(MeasureDiskUsage(directory.Join("none")).status()));
}

TEST_CASE("MeasureDiskUsage stops at the limit", "[plugin][disk_usage]") {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"a", "b"}) REQUIRE(::mkdir(directory.Join(name).c_str(), 0700) == 0);
  CHECK(MeasureDiskUsage(directory.path(), 3)->inodes == 3);
  CHECK(absl::IsOutOfRange(MeasureDiskUsage(directory.path(), 2).status()));
}

}  // namespace
}  // namespace stowage
