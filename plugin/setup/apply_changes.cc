#include "plugin/setup/apply_changes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr char kBackupSuffix[] = ".before-stowage";

std::string FreeBackupName(const std::string& path) {
  std::string name = path + kBackupSuffix;
  for (int number = 1; ::access(name.c_str(), F_OK) == 0; ++number)
    name = absl::StrCat(path, kBackupSuffix, ".", number);
  return name;
}

absl::Status CheckUnchanged(const FileChange& change) {
  const auto text = ReadFile(change.path);
  const bool same =
      change.exists ? text.ok() && *text == change.old_text : absl::IsNotFound(text.status());
  if (same) return absl::OkStatus();
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return absl::AbortedError(
      absl::StrCat("write ", change.path, ": it was changed meanwhile; run this again"));
}

absl::StatusOr<WrittenFile> Apply(const FileChange& change) {
  STOWAGE_RETURN_IF_ERROR(
      MakeDirectories(std::filesystem::path(change.path).parent_path().string()));
  STOWAGE_RETURN_IF_ERROR(CheckUnchanged(change));
  WrittenFile written = {change.path, ""};
  constexpr mode_t kNewMode = 0644;
  struct stat old = {};
  old.st_mode = kNewMode;
  if (change.exists) {
    if (::stat(change.path.c_str(), &old) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("look at ", change.path));
    written.backup = FreeBackupName(change.path);
    STOWAGE_RETURN_IF_ERROR(
        WriteFileAtomically(written.backup, change.old_text, old.st_mode & 07777));
  }
  STOWAGE_RETURN_IF_ERROR(WriteFileAtomically(change.path, change.new_text, old.st_mode & 07777));
  if (change.exists && ::chown(change.path.c_str(), old.st_uid, old.st_gid) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("keep the owner of ", change.path));
  return written;
}

absl::Status WithWritten(const absl::Status& error, const std::vector<WrittenFile>& written) {
  std::string text(error.message());
  for (const WrittenFile& file : written)
    absl::StrAppend(
        &text, "; already written: ", file.path,
        file.backup.empty() ? " (new)" : absl::StrCat(" (old text: ", file.backup, ")"));
  return absl::Status(error.code(), text);
}

}  // namespace

absl::StatusOr<std::vector<WrittenFile>> ApplyChanges(const std::vector<FileChange>& changes) {
  std::vector<WrittenFile> written;
  for (const FileChange& change : changes) {
    auto file = Apply(change);
    if (!file.ok()) return WithWritten(file.status(), written);
    written.push_back(*std::move(file));
  }
  return written;
}

}  // namespace stowage
