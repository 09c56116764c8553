#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// What the server knows about the head of a response that its handler does not.
struct HttpHeadContext {
  int version = 11;  // of the request, 10 or 11
  bool keep_alive = true;
  std::optional<uint64_t> body_bytes;  // without one the body is chunked
  absl::string_view date;              // as FormatHttpDate gives it
};

// The status line and headers of a response up to the empty line. Control characters in the reason
// and in header values are dropped, so that no text can end a line. Pure.
std::string FormatHttpHead(const HttpResponse& response, const HttpHeadContext& context);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string FormatHttpDate(absl::Time time);

// The standard phrase of a status, "" for one that is not used here.
absl::string_view StandardReason(int status);

}  // namespace stowage
