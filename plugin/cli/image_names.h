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
  // CRI name. In CRI's own namespace, k8s.io, there are CRI's names only, and ctr's is one of them:
  // CRI keeps a record nix/x as docker.io/nix/x, does not find that one again, and neither runs the
  // image nor removes the record.
  std::vector<std::string> all;
};

// typed: the reference given on the command line, as ImageReference::Parse takes it.
// canonical_name, tag: what stowaged made of it: "shell/git" (a leading "nix/" is no part of it),
// "latest". containerd_namespace: where the names will be.
ImageNames NamesForReference(absl::string_view typed, absl::string_view canonical_name,
                             absl::string_view tag, absl::string_view containerd_namespace);

}  // namespace stowage
