#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace stowage {

// Under which names containerd gets an image.
struct ImageNames {
  // For ctr, which takes names literally: the reference as the user typed it, with its tag.
  std::string ctr;
  // For nerdctl and CRI, which would make docker.io/nix/x of nix/x.
  std::string cri;
  // All records to write, ctr and cri among them; the typed and the canonical form under both
  // hosts, each once. CRI takes lower-case repositories only, so a typed form with others has no
  // CRI name.
  std::vector<std::string> all;
};

// typed: the reference given on the command line, as ImageReference::Parse takes it.
// canonical_name, tag: what stowaged made of it: "shell/git" (a leading "nix/" is no part of it),
// "latest".
ImageNames NamesForReference(absl::string_view typed, absl::string_view canonical_name,
                             absl::string_view tag);

}  // namespace stowage
