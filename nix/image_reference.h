#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// The name of an image, "nix/[arm64/][shell/]PACKAGE/...:TAG", in canonical form. Always valid. A
// value type.
//
// A package is the path of an attribute of the package set, its parts joined by '.'. Names are
// lower-case (upper case is folded), packages sorted by bytes and without duplicates; meta-packages
// come first: `arm64` (aarch64-linux instead of x86_64-linux; `amd64` is the default and left out),
// then `shell`. A package called `nix` sorts last, since a leading "nix/" is the prefix.
//
// Escape, for what an OCI name cannot carry (distribution-spec, "Pulling manifests"): `--xHH` is
// the ASCII character with that hexadecimal code, exactly so, not folded: `libstdc--x2b--x2b` is
// libstdc++. Where an attribute begins with an escape, an `x` goes before it, which is no part of
// the attribute: `x--x5fopen` is _open. Every attribute name of visible ASCII has one canonical
// spelling, whatever it contains; upper case needs an escape only where two attributes differ in
// nothing but case.
class ImageReference {
 public:
  // What a person types: "nix/shell/git:v1", "nix.local/shell/git", "docker.io/nix/git",
  // "shell/git". A host nix.local or docker.io and then a prefix "nix/" may lead; the tag is
  // "latest" by default. Errors: InvalidArgument, the message naming the part that is wrong.
  static absl::StatusOr<ImageReference> Parse(absl::string_view text);
  // From a registry URL: repository "nix/shell/git" or "shell/git", any tag. Errors: as Parse.
  static absl::StatusOr<ImageReference> FromRepository(absl::string_view repository,
                                                       absl::string_view tag);

  // Canonical, without "nix/"; FromRepository(name(), tag()) gives the same reference again.
  const std::string& name() const { return name_; }
  const std::string& tag() const { return tag_; }
  // "nix/NAME:TAG".
  std::string ToString() const;
  // Nix's name of the system: "x86_64-linux" or "aarch64-linux".
  const std::string& system() const { return system_; }
  // OCI's name of the same: "amd64" or "arm64".
  absl::string_view architecture() const;
  // Whether `shell` was asked for.
  bool shell() const { return shell_; }
  // Canonical attribute paths with escapes, in canonical order, without meta-packages; empty only
  // if shell().
  const std::vector<std::string>& packages() const { return packages_; }

  friend bool operator==(const ImageReference&, const ImageReference&) = default;

 private:
  ImageReference() = default;

  std::string name_;
  std::string tag_;
  std::string system_;
  bool shell_ = false;
  std::vector<std::string> packages_;
};

// Whether text is a tag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} (distribution-spec). Errors:
// InvalidArgument.
absl::Status CheckTag(absl::string_view text);

}  // namespace stowage
