#include "base/file.h"

#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

TEST_CASE("ReadFile returns the content and refuses one that is too long", "[base][file]") {
  const testing::TemporaryDirectory directory;
  const auto fd = OpenAt(AT_FDCWD, directory.Join("f"), O_CREAT | O_RDWR, 0600);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), std::string(100000, 'x'), "f"));
  CHECK(ReadFile(directory.Join("f")).value() == std::string(100000, 'x'));
  CHECK(absl::IsResourceExhausted(ReadFile(directory.Join("f"), 99999).status()));
  CHECK(absl::IsNotFound(ReadFile(directory.Join("none")).status()));
}

TEST_CASE("PreadExactly says when the file ends early", "[base][file]") {
  const testing::TemporaryDirectory directory;
  const auto fd = OpenAt(AT_FDCWD, directory.Join("f"), O_CREAT | O_RDWR, 0600);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), "0123456789", "f"));
  char buffer[4];
  REQUIRE_OK(PreadExactly(fd->get(), buffer, 4, 6, "f"));
  CHECK(std::string(buffer, 4) == "6789");
  CHECK(absl::IsOutOfRange(PreadExactly(fd->get(), buffer, 4, 7, "f")));
}

TEST_CASE("ReadLinkAt returns targets of any length", "[base][file]") {
  const testing::TemporaryDirectory directory;
  const size_t length = GENERATE(1, 255, 256, 257, 1023, 4095);
  const std::string target(length, 't');
  REQUIRE(::symlink(target.c_str(), directory.Join("link").c_str()) == 0);
  CHECK(ReadLinkAt(AT_FDCWD, directory.Join("link")).value() == target);
}

}  // namespace
}  // namespace stowage
