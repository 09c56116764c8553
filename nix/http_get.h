#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "nix/call_limits.h"

namespace stowage {

struct HttpGetOptions {
  // The body goes to this descriptor instead of into HttpGetResult; -1: into HttpGetResult.
  int body_fd = -1;
  // HEAD instead of GET.
  bool head_only = false;
  // Without the proxy that the environment names.
  bool direct = false;
  bool follow_redirects = true;
  // Takes the body compressed as well; max_bytes is of what it then is.
  bool compressed = false;
  // Certificates of the authorities that are believed, PEM; "": those of the system.
  std::string ca_file{};
  // What the header Authorization says; "" for none. A redirect to another host does not get it.
  std::string authorization{};
  uint64_t max_bytes = uint64_t{1} << 20;
};

struct HttpGetResult {
  int status = 0;             // after redirects
  std::string effective_url;  // where the redirects ended
  std::string body;
};

// Gets an http or https URL with libcurl, following up to ten redirects. Any status that the server
// answers is a result. Errors: Unavailable if it cannot be reached or sends nothing for a minute,
// ResourceExhausted beyond max_bytes or for a full disk, DeadlineExceeded, Cancelled; the message
// names the URL. Thread-safe.
absl::StatusOr<HttpGetResult> HttpGet(const std::string& url, const HttpGetOptions& options,
                                      const CallLimits& limits);

}  // namespace stowage
