#include "tests/fuse/living_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

constexpr char kStorePath[] = "aaa-many";

}  // namespace

LivingStore::LivingStore(const FuseServerOptions& options) : mount_point(store.root() + "/mnt") {
  for (int i = 0; i < kFiles; ++i) store.File(absl::StrCat(kStorePath, "/file-", i), Content(i));
  const auto program = ReadFile("/bin/true");
  REQUIRE_OK(program);
  store.File(absl::StrCat(kStorePath, "/bin/true"), *program, /*executable=*/true);
  store.Index(kStorePath, 1);
  for (int view = 1; view <= kViews; ++view)
    store.View(static_cast<uint64_t>(view), {{kStorePath, 1}});
  Start(options);
}

void LivingStore::Start(const FuseServerOptions& options) {
  server.reset();
  server = std::make_unique<FuseServer>(store.state(), store.store(), mount_point, options);
}

std::string LivingStore::Content(int file) { return absl::StrCat("content ", file); }

std::string LivingStore::FilePath(int view, int file) const {
  return absl::StrCat(mount_point, "/", view, "/nix/store/", kStorePath, "/file-", file);
}

std::string LivingStore::ProgramPath(int view) const {
  return absl::StrCat(mount_point, "/", view, "/nix/store/", kStorePath, "/bin/true");
}

std::string LivingStore::ReadOnce(int view, int file) const {
  const std::string path = FilePath(view, file);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return absl::StrCat("open ", path, ": ", std::strerror(errno));
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  char buffer[64];
  const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
  if (size < 0) return absl::StrCat("read ", path, ": ", std::strerror(errno));
  const std::string content(buffer, static_cast<size_t>(size));
  return content == Content(file) ? "" : absl::StrCat(path, " is ", content);
}

}  // namespace stowage::testing
