#include "plugin/images/profile_record.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "plugin/images/cache_key.h"

namespace stowage {
namespace {

std::string RecordDirectory(const std::string& state_directory) {
  return state_directory + "/profile_records";
}

std::string RecordFile(const std::string& state_directory, const Digest& diff_id) {
  return absl::StrCat(RecordDirectory(state_directory), "/", diff_id.hex());
}

}  // namespace

absl::Status OpenProfileRecords(const std::string& state_directory) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(RecordDirectory(state_directory)));
  return RemoveUnfinishedFiles(RecordDirectory(state_directory));
}

Digest ProfileContentKey(const Digest& profile_key) {
  return DelimitedDigest({"stowage profile", profile_key.ToString()});
}

absl::Status RecordProfile(const std::string& state_directory, const Digest& diff_id,
                           const Profile& profile) {
  const std::string file = RecordFile(state_directory, diff_id);
  if (::access(file.c_str(), F_OK) == 0) return absl::OkStatus();
  return WriteFileAtomically(file, EncodeProfile(profile));
}

absl::Status RestoreProfile(const std::string& state_directory, const LayerRecord& layer,
                            const std::string& directory) {
  if (DirectoryExists(directory)) return absl::OkStatus();
  const std::string file = RecordFile(state_directory, layer.diff_id);
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  STOWAGE_ASSIGN_OR_RETURN(const Profile profile, DecodeProfile(text));
  if (ProfileContentKey(profile.key) != layer.content_key)
    return absl::DataLossError(
        absl::StrCat(file, " is not the profile of layer ", layer.diff_id.ToString()));
  const absl::Status written = WriteProfile(profile, directory);
  // Somebody else was faster with the same.
  return absl::IsAlreadyExists(written) ? absl::OkStatus() : written;
}

}  // namespace stowage
