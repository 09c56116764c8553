#pragma once

#include "absl/strings/string_view.h"

namespace stowage {

// Whose a repository name is that a client asks for at the registry host of ?ns=.
enum class NameOwner {
  kOurHost,     // the host is ours (none, nix, nix.local), and so is every name
  kSharedHost,  // nix/... of another host, such as docker.io: ours as long as we are asked first
  kForeign,     // any other name of another host; docker.io/grafana/grafana is no package
};

// mirror_of: value of ?ns=, "" without one. name: repository as it stands in the URL. Pure.
NameOwner OwnerOfName(absl::string_view mirror_of, absl::string_view name);

}  // namespace stowage
