#include "fuse/object_index_builder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "fuse/index_file.h"
#include "fuse/nodeid.h"

namespace stowage {
namespace {

constexpr size_t kListingBufferBytes = 64 << 10;

}  // namespace

absl::Status ObjectIndexBuilder::Walk(int store_directory_fd, const std::string& base_name) {
  if (base_name.empty() || base_name.size() > NAME_MAX || base_name == "." || base_name == ".." ||
      base_name.find('/') != std::string::npos || base_name.find('\0') != std::string::npos)
    return absl::InvalidArgumentError(absl::StrCat("'", base_name, "' is no base name"));
  listing_.resize(kListingBufferBytes);
  AddRecord(base_name, 0, DT_UNKNOWN);
  STOWAGE_RETURN_IF_ERROR(DescribeEntry(store_directory_fd, 0));
  // A stack of our own: the depth of a tree must not decide whether we crash.
  while (!stack_.empty()) {
    OpenDirectory& directory = stack_.back();
    if (directory.next_child == directory.end_child) {
      stack_.pop_back();
      continue;
    }
    const uint32_t index = directory.next_child++;
    STOWAGE_RETURN_IF_ERROR(DescribeEntry(directory.fd.get(), index));
  }
  return absl::OkStatus();
}

absl::Status ObjectIndexBuilder::DescribeEntry(int directory_fd, uint32_t index) {
  char name[NAME_MAX + 1];
  const absl::string_view view = NameOf(index);
  std::memcpy(name, view.data(), view.size());
  name[view.size()] = '\0';

  // Until the entry is described, `kind` holds what the directory said of it.
  const uint8_t type = records_[index].kind;
  if (type == DT_DIR) return EnterDirectory(directory_fd, index, name);
  if (type == DT_LNK) return DescribeSymlink(directory_fd, index, name);
  struct stat status;
  if (::fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return SystemError("stat", index);
  if (S_ISDIR(status.st_mode)) return EnterDirectory(directory_fd, index, name);
  if (S_ISLNK(status.st_mode)) return DescribeSymlink(directory_fd, index, name);
  if (!S_ISREG(status.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(
        "index ", Shown(index), ": neither directory, regular file nor symbolic link"));
  ObjectIndexRecord& record = records_[index];
  // Nix keeps one permission: whether the owner may execute (Nix: libutil/archive.cc).
  const EntryKind kind =
      (status.st_mode & S_IXUSR) != 0 ? EntryKind::kExecutable : EntryKind::kRegular;
  record.kind = static_cast<uint8_t>(kind);
  record.value = static_cast<uint64_t>(status.st_size);
  file_bytes_ += record.value;
  Seal(index);
  return absl::OkStatus();
}

absl::Status ObjectIndexBuilder::DescribeSymlink(int directory_fd, uint32_t index,
                                                 const char* name) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(directory_fd, name, target, sizeof target);
  if (length < 0) return SystemError("read the link", index);
  if (length == sizeof target)
    return absl::InvalidArgumentError(
        absl::StrCat("index ", Shown(index), ": link target of ", PATH_MAX, " bytes or more"));
  ObjectIndexRecord& record = records_[index];
  record.kind = static_cast<uint8_t>(EntryKind::kSymlink);
  record.value = text_.size();
  record.target_length = static_cast<uint16_t>(length);
  text_.append(target, static_cast<size_t>(length));
  Seal(index);
  return absl::OkStatus();
}

absl::Status ObjectIndexBuilder::EnterDirectory(int directory_fd, uint32_t index,
                                                const char* name) {
  UniqueFd fd(::openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return SystemError("open", index);
  STOWAGE_RETURN_IF_ERROR(ReadNames(fd.get(), index));
  const uint64_t first = records_.size();
  if (first + listed_.size() > kMaxEntries)
    return absl::ResourceExhaustedError(
        absl::StrCat("index ", Shown(index), ": more than ", kMaxEntries, " entries"));
  for (const ListedName& listed : listed_)
    AddRecord(absl::string_view(names_).substr(listed.offset, listed.length), index, listed.type);
  if (text_.size() > std::numeric_limits<uint32_t>::max())
    return absl::ResourceExhaustedError(
        absl::StrCat("index ", Shown(index), ": more than 4 GiB of names"));
  ObjectIndexRecord& record = records_[index];
  record.kind = static_cast<uint8_t>(EntryKind::kDirectory);
  record.value = listed_.empty() ? 0 : first | uint64_t{listed_.size()} << 32;
  Seal(index);
  stack_.push_back(
      {std::move(fd), static_cast<uint32_t>(first), static_cast<uint32_t>(first + listed_.size())});
  return absl::OkStatus();
}

absl::Status ObjectIndexBuilder::ReadNames(int directory_fd, uint32_t index) {
  names_.clear();
  listed_.clear();
  while (true) {
    const ssize_t count = ::getdents64(directory_fd, listing_.data(), listing_.size());
    if (count < 0) return SystemError("list", index);
    if (count == 0) break;
    for (const char* position = listing_.data(); position < listing_.data() + count;) {
      const auto* entry = reinterpret_cast<const dirent64*>(position);
      position += entry->d_reclen;
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      listed_.push_back({names_.size(), static_cast<uint8_t>(name.size()), entry->d_type});
      names_.append(name.data(), name.size());
    }
  }
  const absl::string_view names = names_;
  std::sort(listed_.begin(), listed_.end(), [names](const ListedName& a, const ListedName& b) {
    return names.substr(a.offset, a.length) < names.substr(b.offset, b.length);
  });
  return absl::OkStatus();
}

void ObjectIndexBuilder::AddRecord(absl::string_view name, uint32_t parent,
                                   uint8_t directory_entry_type) {
  ObjectIndexRecord record{};
  record.name_offset = static_cast<uint32_t>(text_.size());
  record.name_length = static_cast<uint8_t>(name.size());
  record.parent = parent;
  record.kind = directory_entry_type;
  text_.append(name.data(), name.size());
  records_.push_back(record);
}

void ObjectIndexBuilder::Seal(uint32_t index) {
  ObjectIndexRecord& record = records_[index];
  const bool is_symlink = record.kind == static_cast<uint8_t>(EntryKind::kSymlink);
  const absl::string_view target =
      is_symlink ? absl::string_view(text_).substr(record.value, record.target_length)
                 : absl::string_view();
  record.crc =
      RecordCrc(index, absl::string_view(reinterpret_cast<const char*>(&record), sizeof record),
                NameOf(index), target);
}

absl::string_view ObjectIndexBuilder::NameOf(uint32_t index) const {
  const ObjectIndexRecord& record = records_[index];
  return absl::string_view(text_).substr(record.name_offset, record.name_length);
}

std::string ObjectIndexBuilder::Shown(uint32_t index) const {
  std::string path(NameOf(index));
  while (index != 0) {
    index = records_[index].parent;
    path = absl::StrCat(NameOf(index), "/", path);
  }
  return path;
}

absl::Status ObjectIndexBuilder::SystemError(absl::string_view action, uint32_t index) const {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat(action, " ", Shown(index)));
}

}  // namespace stowage
