#include "base/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "tests/support/catch.h"
#include "tests/support/descriptor_limit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("MakeDirectories makes parents and accepts what exists", "[base][directory]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("a/b/c")));
  REQUIRE_OK(MakeDirectories(directory.Join("a/b/c")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("file"), ""));
  CHECK_FALSE(MakeDirectories(directory.Join("file")).ok());
  CHECK_FALSE(MakeDirectories(directory.Join("file/x")).ok());
}

TEST_CASE("RemoveTree removes read-only trees and does not follow links", "[base][directory]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("outside")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("outside/kept"), "x"));
  REQUIRE_OK(MakeDirectories(directory.Join("tree/sub")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("tree/sub/file"), "x"));
  REQUIRE(::symlink("../outside", directory.Join("tree/link").c_str()) == 0);
  REQUIRE(::chmod(directory.Join("tree/sub").c_str(), 0555) == 0);
  REQUIRE(::chmod(directory.Join("tree").c_str(), 0555) == 0);
  REQUIRE_OK(RemoveTree(directory.Join("tree/")));
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"outside"});
  CHECK(ListDirectory(directory.Join("outside")).value() == std::vector<std::string>{"kept"});
  REQUIRE_OK(RemoveTree(directory.Join("tree")));
  REQUIRE_OK(RemoveTree(directory.Join("no/such/parent")));
}

TEST_CASE("RemoveTree takes trees deeper than there are descriptors", "[base][directory]") {
  constexpr int kDepth = 500;
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("tree")));
  auto current = OpenAt(AT_FDCWD, directory.Join("tree"), O_RDONLY | O_DIRECTORY);
  REQUIRE_OK(current);
  for (int i = 0; i < kDepth; ++i) {
    REQUIRE(::mkdirat(current->get(), "d", 0755) == 0);
    current = OpenAt(current->get(), "d", O_RDONLY | O_DIRECTORY);
    REQUIRE_OK(current);
  }
  const testing::DescriptorLimit limit(100);
  REQUIRE_OK(RemoveTree(directory.Join("tree")));
  CHECK(ListDirectory(directory.path()).value().empty());
}

TEST_CASE("RemoveTree empties directories that nobody may read, and removes a single file",
          "[base][directory]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("tree/closed/deep")));
  REQUIRE(::chmod(directory.Join("tree/closed").c_str(), 0) == 0);
  REQUIRE_OK(RemoveTree(directory.Join("tree")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("file"), "x"));
  REQUIRE_OK(RemoveTree(directory.Join("file")));
  CHECK(ListDirectory(directory.path()).value().empty());
}

TEST_CASE("ListDirectory is sorted by bytes", "[base][directory]") {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"b", "a", "B", "\xc3\xa4", ".hidden"})
    REQUIRE_OK(WriteFileAtomically(directory.Join(name), ""));
  CHECK(ListDirectory(directory.path()).value() ==
        std::vector<std::string>{".hidden", "B", "a", "b", "\xc3\xa4"});
}

}  // namespace
}  // namespace stowage
