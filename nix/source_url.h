#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace stowage {

// A URL without the user name and password that may stand before its host (RFC 3986, 3.2.1); any
// other text as it is.
std::string WithoutCredentials(absl::string_view location);

// The same for a URL that other machines can use (http, https, git, ssh); "" for a path, file://
// and the rest.
std::string PublicUrlOf(absl::string_view location);

// Whether text is the URL of a server that can show who it is: https://HOST[:PORT], http only where
// IsLoopbackUrl; no path, no user name. Errors: InvalidArgument, the message being what is wrong
// ("must be ..."). Pure.
absl::Status CheckServerUrl(absl::string_view text);

// Whether the host of a URL, which CheckServerUrl takes but for http, is this machine:
// 127.0.0.1, [::1], localhost.
bool IsLoopbackUrl(absl::string_view url);

}  // namespace stowage
