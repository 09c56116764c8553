#include "plugin/registry/request_parser.h"

#include <string>

#include "tests/support/catch.h"

namespace stowage {
namespace {

using Result = RequestParser::Result;

Result ParseAll(RequestParser& parser, const std::string& text, size_t step, size_t& left) {
  std::string held;
  Result result = Result::kIncomplete;
  for (size_t i = 0; i < text.size() && result == Result::kIncomplete; i += step) {
    held += text.substr(i, step);
    size_t consumed = 0;
    result = parser.Parse(held, consumed);
    held.erase(0, consumed);
  }
  left = held.size();
  return result;
}

TEST_CASE("RequestParser reads a request however it is cut", "[registry]") {
  const size_t step = GENERATE(1, 2, 3, 7, 1000);
  RequestParser parser(16384, 4096);
  size_t left = 0;
  const std::string text =
      "\r\nGET /v2/ HTTP/1.1\r\nHost: a\r\nAccept: x\r\naccept: y\r\nEmpty:\r\n\r\n";
  REQUIRE(ParseAll(parser, text, step, left) == Result::kComplete);
  CHECK(left == 0);
  const HttpRequest request = parser.request();
  CHECK(request.method == "GET");
  CHECK(request.target == "/v2/");
  CHECK(request.version == 11);
  CHECK(request.Field("ACCEPT") == "x, y");
  CHECK(request.Field("empty").empty());
  CHECK(request.Field("none").empty());
  CHECK(parser.keep_alive());
  CHECK_FALSE(parser.has_body());
}

TEST_CASE("RequestParser reads a head without headers", "[registry]") {
  const size_t step = GENERATE(1, 1000);
  RequestParser parser(16384, 4096);
  size_t left = 0;
  REQUIRE(ParseAll(parser, "GET / HTTP/1.0\r\n\r\n", step, left) == Result::kComplete);
  CHECK_FALSE(parser.keep_alive());
}

TEST_CASE("RequestParser leaves the next request alone", "[registry]") {
  RequestParser parser(16384, 4096);
  size_t left = 0;
  const std::string next = "HEAD /x HTTP/1.1\r\n";
  REQUIRE(ParseAll(parser, "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + next, 1000, left) ==
          Result::kComplete);
  CHECK(left == next.size());
}

TEST_CASE("RequestParser refuses with the status that fits", "[registry]") {
  const auto [text, status] = GENERATE(table<std::string, int>({
      {"GET /\r\n\r\n", 400},
      {"\x16\x03\x01\x02", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"GET /" + std::string(20000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20000, 'a') + "\r\n\r\n", 431},
  }));
  INFO(text.substr(0, 60));
  RequestParser parser(16384, 4096);
  size_t left = 0;
  REQUIRE(ParseAll(parser, text, 4096, left) == Result::kRefused);
  CHECK(parser.error().status == status);
}

TEST_CASE("RequestParser sees that a body follows", "[registry]") {
  const std::string header = GENERATE("Content-Length: 5", "Transfer-Encoding: chunked");
  RequestParser parser(16384, 4096);
  size_t left = 0;
  REQUIRE(ParseAll(parser, "POST / HTTP/1.1\r\nHost: a\r\n" + header + "\r\n\r\n", 1000, left) ==
          Result::kComplete);
  CHECK(parser.has_body());
}

}  // namespace
}  // namespace stowage
