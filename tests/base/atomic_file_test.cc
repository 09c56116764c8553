#include "base/atomic_file.h"

#include <sys/stat.h>

#include "base/directory.h"
#include "base/file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("WriteFileAtomically replaces the content and leaves no temporary file",
          "[base][atomic_file]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteFileAtomically(directory.Join("f"), "old"));
  REQUIRE_OK(WriteFileAtomically(directory.Join("f"), "new", 0640));
  CHECK(ReadFile(directory.Join("f")).value() == "new");
  struct stat status;
  REQUIRE(::stat(directory.Join("f").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"f"});
}

TEST_CASE("WriteFileAtomically cleans up when the rename fails", "[base][atomic_file]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("f/child")));
  CHECK_FALSE(WriteFileAtomically(directory.Join("f"), "new").ok());
  CHECK(ListDirectory(directory.path()).value() == std::vector<std::string>{"f"});
}

TEST_CASE("RemoveUnfinishedFiles removes what a killed writer has left, and nothing else",
          "[base][atomic_file]") {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"f", "f.tmp-a1B2c3", ".tmp-a1B2c3", "f.tmp-a1B2c", "f.tmp-a1B2c3d"})
    REQUIRE_OK(WriteFileAtomically(directory.Join(name), ""));
  REQUIRE_OK(RemoveUnfinishedFiles(directory.path()));
  CHECK(ListDirectory(directory.path()).value() ==
        std::vector<std::string>{".tmp-a1B2c3", "f", "f.tmp-a1B2c", "f.tmp-a1B2c3d"});
}

}  // namespace
}  // namespace stowage
