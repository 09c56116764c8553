#include "plugin/images/promises.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "fuse/fetch_message.h"

namespace stowage {

absl::StatusOr<std::unique_ptr<Promises>> Promises::Open(const std::string& state_directory) {
  std::unique_ptr<Promises> promises(
      new Promises(absl::StrCat(state_directory, "/", kPromisesName)));
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(promises->directory_));
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(promises->directory_));
  const absl::MutexLock lock(&promises->mutex_);
  for (const std::string& name : names) {
    int64_t object;
    if (absl::SimpleAtoi(name, &object)) promises->objects_.insert(object);
  }
  return promises;
}

std::string Promises::File(int64_t object) const { return absl::StrCat(directory_, "/", object); }

absl::Status Promises::Make(absl::Span<const int64_t> objects) {
  for (const int64_t object : objects)
    STOWAGE_RETURN_IF_ERROR(
        OpenAt(AT_FDCWD, File(object), O_WRONLY | O_CREAT | O_NOFOLLOW, 0644).status());
  STOWAGE_RETURN_IF_ERROR(SyncDirectory(directory_));
  const absl::MutexLock lock(&mutex_);
  objects_.insert(objects.begin(), objects.end());
  return absl::OkStatus();
}

absl::Status Promises::Remove(int64_t object) {
  if (::unlink(File(object).c_str()) != 0 && errno != ENOENT)
    return absl::ErrnoToStatus(errno, absl::StrCat("remove ", File(object)));
  const absl::MutexLock lock(&mutex_);
  objects_.erase(object);
  return absl::OkStatus();
}

bool Promises::Contains(int64_t object) const {
  const absl::MutexLock lock(&mutex_);
  return objects_.contains(object);
}

std::vector<int64_t> Promises::All() const {
  const absl::MutexLock lock(&mutex_);
  return std::vector<int64_t>(objects_.begin(), objects_.end());
}

}  // namespace stowage
