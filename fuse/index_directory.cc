#include "fuse/index_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"
#include "fuse/fetch_message.h"
#include "fuse/nodeid.h"

namespace stowage {
namespace {

template <typename Index>
int OpenCached(int state_directory_fd, absl::string_view folder, FaultLog::Kind kind,
               uint64_t number, FaultLog* faults, LruCache<Index>* cache,
               std::shared_ptr<const Index>* result) {
  *result = cache->Get(number);
  if (*result != nullptr) return 0;
  absl::StatusOr<Index> index =
      Index::Open(state_directory_fd, absl::StrCat(folder, "/", number), number);
  if (!index.ok()) {
    faults->Report(kind, number, "index_unusable",
                   absl::StrCat("error=", index.status().ToString()));
    return absl::IsNotFound(index.status()) ? ESTALE : EIO;
  }
  const size_t cost = index->mapped_bytes();
  *result = cache->Put(number, std::make_shared<const Index>(*std::move(index)), cost);
  return 0;
}

}  // namespace

uint64_t ParseFileNumber(absl::string_view name, uint64_t max) {
  if (name.empty() || name.front() < '1' || name.front() > '9') return 0;
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) return 0;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(name, &number) || number > max) return 0;
  return number;
}

IndexDirectory::IndexDirectory(UniqueFd state_directory_fd, FaultLog* faults,
                               const IndexDirectoryLimits& limits)
    : state_directory_fd_(std::move(state_directory_fd)),
      faults_(faults),
      views_(limits.max_views, limits.max_view_bytes),
      objects_(limits.max_objects, limits.max_object_bytes) {}

int IndexDirectory::View(uint64_t number, std::shared_ptr<const ViewIndex>* view) {
  return OpenCached(state_directory_fd_.get(), "views", FaultLog::Kind::kView, number, faults_,
                    &views_, view);
}

int IndexDirectory::Object(uint64_t number, std::shared_ptr<const ObjectIndex>* object) {
  *object = objects_.Get(number);
  if (*object != nullptr) return 0;
  // In this order: a promise goes after the object's file has come.
  if (Exists(kPromisesName, number) && !Exists("objects", number)) return EAGAIN;
  return OpenCached(state_directory_fd_.get(), "objects", FaultLog::Kind::kObject, number, faults_,
                    &objects_, object);
}

bool IndexDirectory::Exists(absl::string_view folder, uint64_t number) const {
  struct stat status;
  return ::fstatat(state_directory_fd_.get(), absl::StrCat(folder, "/", number).c_str(), &status,
                   AT_SYMLINK_NOFOLLOW) == 0;
}

void IndexDirectory::ForgetObjects(std::optional<uint64_t> number) {
  objects_.RemoveIf([number](uint64_t kept) { return !number || kept == *number; });
}

int IndexDirectory::FindView(uint64_t number) {
  if (Exists("views", number)) return 0;
  views_.Remove(number);
  return ENOENT;
}

int IndexDirectory::ListViews(std::vector<uint64_t>* numbers) {
  numbers->clear();
  const auto fd = OpenAt(state_directory_fd_.get(), "views", O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(fd.status())) return 0;
  if (!fd.ok()) return EIO;
  const auto names = ListDirectory(fd->get(), "views");
  if (!names.ok()) return EIO;
  for (const std::string& name : *names) {
    // Other names are temporary files of a writer.
    if (const uint64_t number = ParseFileNumber(name, kMaxViewNumber); number != 0)
      numbers->push_back(number);
  }
  std::sort(numbers->begin(), numbers->end());
  return 0;
}

int IndexDirectory::ViewsChangedAt(timespec* time) {
  struct stat status;
  *time = {};
  if (::fstatat(state_directory_fd_.get(), "views", &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? 0 : EIO;
  *time = status.st_mtim;
  return 0;
}

}  // namespace stowage
