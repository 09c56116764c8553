#include "layering/open_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::SyntheticStore;

absl::StatusCode OpenCode(const SyntheticStore& store, const std::string& path) {
  const UniqueFd top = OpenAt(AT_FDCWD, store.path(), O_PATH | O_DIRECTORY).value();
  return OpenBeneath(top.get(), path, O_RDONLY).status().code();
}

TEST_CASE("OpenBeneath opens files and directories and sets close-on-exec", "[layering][open]") {
  const SyntheticStore store;
  store.File("a/b/file", "content");
  const UniqueFd top = OpenAt(AT_FDCWD, store.path(), O_PATH | O_DIRECTORY).value();
  const auto fd = OpenBeneath(top.get(), "a/b/file", O_RDONLY);
  REQUIRE_OK(fd);
  char bytes[7];
  REQUIRE_OK(PreadExactly(fd->get(), bytes, sizeof bytes, 0, "file"));
  CHECK(std::string(bytes, sizeof bytes) == "content");
  CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(OpenCode(store, "a/b") == absl::StatusCode::kOk);
}

TEST_CASE("OpenBeneath follows no link at any component", "[layering][open]") {
  const SyntheticStore store;
  store.File("real/file");
  store.Symlink("to-file", "real/file");
  store.Symlink("to-directory", "real");
  store.Symlink("real/up", "..");
  CHECK(OpenCode(store, "to-file") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, "to-directory/file") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, "real/up/real/file") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, "real/file/below") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, "real/none") == absl::StatusCode::kNotFound);
  CHECK(OpenCode(store, "none/file") == absl::StatusCode::kNotFound);
}

TEST_CASE("OpenBeneath takes paths longer than PATH_MAX and still follows no link in them",
          "[layering][open]") {
  const SyntheticStore store;
  const std::string name(250, 'n');
  UniqueFd top = OpenAt(AT_FDCWD, store.path(), O_PATH | O_DIRECTORY).value();
  std::string path;
  UniqueFd at = OpenAt(AT_FDCWD, store.path(), O_PATH | O_DIRECTORY).value();
  for (int depth = 0; depth < 20; ++depth) {
    REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
    at = OpenAt(at.get(), name, O_PATH | O_DIRECTORY).value();
    path += name + "/";
  }
  REQUIRE(::symlinkat(".", at.get(), "link") == 0);
  REQUIRE(::mkdirat(at.get(), "end", 0755) == 0);
  REQUIRE(path.size() > 4096);
  CHECK(OpenCode(store, path + "end") == absl::StatusCode::kOk);
  CHECK(OpenCode(store, path + "link") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, path + "link/end") == absl::StatusCode::kFailedPrecondition);
  CHECK(OpenCode(store, path + "none") == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace stowage
