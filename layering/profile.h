#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"

namespace stowage {

struct ProfileOptions {
  // Where the store paths lie; the links in the profile always name /nix/store.
  std::string store_directory = "/nix/store";
  // "HASH-NAME" of the outputs asked for, in the order of the request: the first wins a conflict.
  std::vector<std::string> packages;
};

struct ProfileEntry {
  enum class Type { kDirectory, kFile, kSymlink };

  std::string path;  // relative, without a leading slash
  Type type;
  uint32_t mode;        // permission bits, 07777; 0777 for a symlink
  std::string content;  // the bytes of a file or the target of a symlink

  friend bool operator==(const ProfileEntry&, const ProfileEntry&) = default;
};

// What an image has besides its store paths (docs/layer-format.md, "The profile layer").
struct Profile {
  // In the order of the tar: a directory before what it holds, names in a directory by bytes.
  std::vector<ProfileEntry> entries;
  // What the packages have and the profile has not, a line each, for people:
  // "bin/vi: nano-7 kept, vim-9 ignored".
  std::vector<std::string> conflicts;
  // SHA-256 of EncodeProfile.
  Digest key;
};

// The format's version and all entries as one text, from which the profile can be made again when
// its packages are gone.
std::string EncodeProfile(const Profile& profile);
// The profile without its conflicts. Errors: DataLoss for anything that EncodeProfile cannot have
// written. The caller compares the key before it trusts the paths.
absl::StatusOr<Profile> DecodeProfile(absl::string_view text);

// Composes the profile from the top-level directories of the packages. Reads directories and links
// of the store only, never a file's content.
//
// Links inside the store are followed by the rules of a container, where the store is /nix/store.
// Errors: InvalidArgument for a base name of the wrong form; NotFound if a package is missing;
// ResourceExhausted if the merged directories pass any sensible size (links can multiply them);
// else the errno's code. Thread-safe.
absl::StatusOr<Profile> ComposeProfile(const ProfileOptions& options);

// Makes `directory`, which must not exist, with everything in it: complete and synced under a
// temporary name beside it, then renamed. Modes are those of the entries whatever the umask,
// modification times 1.
//
// Errors: AlreadyExists if `directory` exists, else the errno's code; an error leaves nothing
// behind. Thread-safe.
absl::Status WriteProfile(const Profile& profile, const std::string& directory);

}  // namespace stowage
