#include "tests/fuse/mount_readers.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/unique_fd.h"

namespace stowage::testing {
namespace {

std::string Failure(const char* call, const std::string& path) {
  return absl::StrCat(call, " ", path, ": ", std::strerror(errno));
}

std::string LookUp(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return Failure("lstat", path);
  const std::string directory = path.substr(0, path.rfind('/'));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  if (stream == nullptr) return Failure("opendir", directory);
  int names = 0;
  errno = 0;
  while (::readdir(stream.get()) != nullptr) ++names;
  if (errno != 0) return Failure("readdir", directory);
  return names == LivingStore::kFiles + 3 ? "" : absl::StrCat(directory, " has ", names, " names");
}

std::string Map(const std::string& path, const std::string& want) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure("open", path);
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  // An error shows as SIGBUS, which ends the test.
  void* const memory = ::mmap(nullptr, want.size(), PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) return Failure("mmap", path);
  const bool same = std::memcmp(memory, want.data(), want.size()) == 0;
  (void)::munmap(memory, want.size());
  return same ? "" : absl::StrCat("mapped ", path, " is something else");
}

std::string Execute(const std::string& path) {
  if (const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); fd)
    (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  char name[] = "true";
  char* argv[] = {name, nullptr};
  pid_t pid = -1;
  errno = ::posix_spawn(&pid, path.c_str(), nullptr, nullptr, argv, ::environ);
  if (errno != 0) return Failure("execute", path);
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return Failure("wait for", path);
  return status == 0 ? "" : absl::StrCat(path, " ended with status ", status);
}

}  // namespace

MountReaders::MountReaders(const LivingStore& living) {
  const std::vector<Operation> operations = {
      [&](int view, int file) { return living.ReadOnce(view, file); },
      [&](int view, int file) { return LookUp(living.FilePath(view, file)); },
      [&](int view, int file) {
        return Map(living.FilePath(view, file), LivingStore::Content(file));
      },
      [&](int view, int) { return Execute(living.ProgramPath(view)); }};
  for (size_t kind = 0; kind < kKinds; ++kind)
    for (int i = 0; i < (kind == 3 ? 1 : 2); ++i)
      threads_.emplace_back([this, kind, i, operation = operations[kind]] {
        Run(kind, static_cast<int>(kind) * 7000 + i * 1000, operation);
      });
}

void MountReaders::Run(size_t kind, int first, const Operation& operation) {
  for (int i = first; !stop_; ++i) {
    const absl::Time begin = absl::Now();
    const std::string error =
        operation(1 + i / LivingStore::kFiles % LivingStore::kViews, i % LivingStore::kFiles);
    const int64_t took_us = absl::ToInt64Microseconds(absl::Now() - begin);
    int64_t longest = longest_us_;
    while (took_us > longest && !longest_us_.compare_exchange_weak(longest, took_us)) {
    }
    if (!error.empty() && errors_++ == 0) first_error_ = error;
    ++counts_[kind];
  }
}

void MountReaders::Stop() {
  stop_ = true;
  threads_.clear();
}

int64_t MountReaders::operations() const {
  int64_t sum = 0;
  for (const auto& count : counts_) sum += count;
  return sum;
}

std::string MountReaders::Figures() const {
  return absl::StrCat(counts_[0].load(), " reads, ", counts_[1].load(), " lookups, ",
                      counts_[2].load(), " mappings, ", counts_[3].load(), " executions, longest ",
                      longest_us_ / 1000, " ms");
}

}  // namespace stowage::testing
