#include "plugin/registry/http_head.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

void AppendOneLine(std::string& out, absl::string_view text) {
  for (const char c : text)
    if (!absl::ascii_iscntrl(static_cast<unsigned char>(c))) out.push_back(c);
}

// RFC 9110, 8.6: these have no body, and a Content-Length would speak of another response.
bool HasNoLength(int status) { return status == 304 || status == 204; }

}  // namespace

absl::string_view StandardReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 414:
      return "URI Too Long";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

std::string FormatHttpHead(const HttpResponse& response, const HttpHeadContext& context) {
  std::string head;
  head.reserve(512);
  absl::StrAppend(&head, "HTTP/1.1 ", response.status, " ");
  AppendOneLine(head, response.reason.empty() ? StandardReason(response.status) : response.reason);
  absl::StrAppend(&head, "\r\nDate: ", context.date, "\r\n");
  for (const auto& [name, value] : response.headers) {
    absl::StrAppend(&head, name, ": ");
    AppendOneLine(head, value);
    head += "\r\n";
  }
  if (!HasNoLength(response.status)) {
    if (context.body_bytes) {
      absl::StrAppend(&head, "Content-Length: ", *context.body_bytes, "\r\n");
    } else {
      head += "Transfer-Encoding: chunked\r\n";
    }
  }
  if (!context.keep_alive) {
    head += "Connection: close\r\n";
  } else if (context.version == 10) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

std::string FormatHttpDate(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time, absl::UTCTimeZone());
}

}  // namespace stowage
