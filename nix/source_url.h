#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace stowage {

// A URL without the user name and password that may stand before its host (RFC 3986, 3.2.1); any
// other text as it is.
std::string WithoutCredentials(absl::string_view location);

// The same for a URL that other machines can use (http, https, git, ssh); "" for a path, file://
// and the rest.
std::string PublicUrlOf(absl::string_view location);

}  // namespace stowage
