#include "plugin/registry/request_parser.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/registry/registry_error.h"

namespace stowage {
namespace {

namespace http = boost::beast::http;

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct RequestParser::State {
  http::request_parser<http::empty_body> parser;
  std::vector<HttpHeader> headers;
  size_t max_target_bytes = 0;
  bool begun = false;
  HttpResponse error;
};

RequestParser::RequestParser(size_t max_head_bytes, size_t max_target_bytes)
    : state_(std::make_unique<State>()) {
  state_->parser.header_limit(static_cast<uint32_t>(max_head_bytes));
  state_->max_target_bytes = max_target_bytes;
}

RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

RequestParser::Result RequestParser::Refuse(int status, absl::string_view message) {
  state_->error = RegistryError{status, "UNSUPPORTED", std::string(message), ""}.ToResponse();
  state_->error.reason.clear();
  return Result::kRefused;
}

RequestParser::Result RequestParser::Parse(absl::string_view bytes, size_t& consumed) {
  consumed = 0;
  // RFC 9112, 2.2: empty lines before a request are ignored.
  if (!state_->begun) consumed = std::min(bytes.find_first_not_of("\r\n"), bytes.size());
  bytes.remove_prefix(consumed);
  if (bytes.empty()) return Result::kIncomplete;
  state_->begun = true;
  boost::system::error_code error;
  consumed += state_->parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::need_more) return Result::kIncomplete;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    const bool in_first_line = target().empty();
    return in_first_line ? Refuse(414, "the request target is too long")
                         : Refuse(431, "the request headers are too long");
  }
  if (error == http::error::bad_version)
    return Refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (error) return Refuse(400, absl::StrCat("not an HTTP request: ", error.message()));

  const auto& message = state_->parser.get();
  if (message.target().size() > state_->max_target_bytes)
    return Refuse(414, "the request target is too long");
  // RFC 9112, 3.2.
  if (message.version() == 11 && message.count(http::field::host) != 1)
    return Refuse(400, "a request needs exactly one Host header");
  for (const auto& field : message)
    state_->headers.push_back({View(field.name_string()), View(field.value())});
  return Result::kComplete;
}

HttpResponse RequestParser::error() { return std::move(state_->error); }

absl::string_view RequestParser::method() const {
  return View(state_->parser.get().method_string());
}

absl::string_view RequestParser::target() const { return View(state_->parser.get().target()); }

HttpRequest RequestParser::request() const {
  return {method(), target(), static_cast<int>(state_->parser.get().version()), state_->headers};
}

bool RequestParser::has_body() const { return !state_->parser.is_done(); }

bool RequestParser::keep_alive() const { return state_->parser.get().keep_alive(); }

}  // namespace stowage
