#include "plugin/registry/registry_error.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

namespace stowage {
namespace {

constexpr size_t kMaxReasonBytes = 200;
constexpr char kEscape = '\x1b';

const char* NotFoundCode(RegistrySubject subject) {
  switch (subject) {
    case RegistrySubject::kBlob:
      return "BLOB_UNKNOWN";
    case RegistrySubject::kName:
      return "NAME_UNKNOWN";
    case RegistrySubject::kManifest:
    case RegistrySubject::kDigest:
      break;
  }
  return "MANIFEST_UNKNOWN";
}

struct StatusAndCode {
  int status;
  const char* code;
};

StatusAndCode Classify(absl::StatusCode code, RegistrySubject subject) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return {404, NotFoundCode(subject)};
    case absl::StatusCode::kInvalidArgument:
      return {400, subject == RegistrySubject::kDigest ? "DIGEST_INVALID" : "NAME_INVALID"};
    case absl::StatusCode::kFailedPrecondition:
      return {422, "MANIFEST_INVALID"};
    case absl::StatusCode::kUnauthenticated:
      return {401, "UNAUTHORIZED"};
    case absl::StatusCode::kPermissionDenied:
      return {403, "DENIED"};
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:  // this daemon is being stopped: the next one will answer
      return {503, "UNAVAILABLE"};
    case absl::StatusCode::kDeadlineExceeded:
      return {504, "UNAVAILABLE"};
    default:
      return {500, "UNKNOWN"};
  }
}

// Skips a terminal's control sequence ("\x1b[31;1m") that starts at `i`; returns its last byte.
size_t EndOfEscape(absl::string_view text, size_t i) {
  if (i + 1 >= text.size() || text[i + 1] != '[') return i;
  i += 2;
  while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
  return i;
}

}  // namespace

std::string ToReasonPhrase(absl::string_view message) {
  for (const absl::string_view line : absl::StrSplit(message, absl::ByAnyChar("\r\n"))) {
    std::string phrase;
    for (size_t i = 0; i < line.size() && phrase.size() < kMaxReasonBytes; ++i) {
      const unsigned char c = static_cast<unsigned char>(line[i]);
      if (line[i] == kEscape) {
        i = EndOfEscape(line, i);
      } else if (c == '\t') {
        phrase.push_back(' ');
      } else if ((c & 0xC0) != 0x80) {  // one '?' for a UTF-8 sequence, not one for each byte
        phrase.push_back(absl::ascii_isprint(c) ? line[i] : '?');
      }
    }
    absl::StripAsciiWhitespace(&phrase);
    if (!phrase.empty()) return phrase;
  }
  return "";
}

RegistryError ToRegistryError(const absl::Status& status, RegistrySubject subject,
                              absl::string_view detail) {
  const StatusAndCode found = Classify(status.code(), subject);
  return {found.status, found.code, std::string(status.message()), std::string(detail)};
}

HttpResponse RegistryError::ToResponse() const {
  nlohmann::ordered_json error = {{"code", code}, {"message", message}};
  if (!detail.empty()) error["detail"] = detail;
  const nlohmann::ordered_json document = {{"errors", nlohmann::ordered_json::array({error})}};
  HttpResponse response;
  response.status = status;
  response.reason = ToReasonPhrase(message);
  response.headers = {{"Content-Type", "application/json"}};
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  // Nix's words may hold any bytes; the strict handler would throw on them.
  response.body = SharedBytes::Of(
      document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return response;
}

}  // namespace stowage
