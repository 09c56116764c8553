#include "plugin/registry/http_head.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("FormatHttpHead writes status, headers and length", "[registry]") {
  HttpResponse response;
  response.headers = {{"ETag", "\"x\""}};
  CHECK(FormatHttpHead(response, {11, true, 7, "today"}) ==
        "HTTP/1.1 200 OK\r\nDate: today\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n");
  CHECK(FormatHttpHead(response, {11, false, std::nullopt, "today"}) ==
        "HTTP/1.1 200 OK\r\nDate: today\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n");
  CHECK(FormatHttpHead(response, {10, true, 0, "today"}) ==
        "HTTP/1.1 200 OK\r\nDate: today\r\nETag: \"x\"\r\nContent-Length: 0\r\n"
        "Connection: keep-alive\r\n\r\n");
}

TEST_CASE("FormatHttpHead gives 304 no length", "[registry]") {
  HttpResponse response;
  response.status = 304;
  CHECK(FormatHttpHead(response, {11, true, 0, "d"}) ==
        "HTTP/1.1 304 Not Modified\r\nDate: d\r\n\r\n");
}

TEST_CASE("FormatHttpHead lets no text end a line", "[registry]") {
  HttpResponse response;
  response.status = 422;
  response.reason = "bad\r\nX: y";
  response.headers = {{"OCI-Namespace", "a\nb"}};
  CHECK(FormatHttpHead(response, {11, true, 0, "d"}) ==
        "HTTP/1.1 422 badX: y\r\nDate: d\r\nOCI-Namespace: ab\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("FormatHttpDate writes an IMF-fixdate", "[registry]") {
  CHECK(FormatHttpDate(absl::FromUnixSeconds(784111777)) == "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace stowage
