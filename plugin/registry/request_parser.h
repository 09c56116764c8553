#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// Reads the head of one HTTP/1 request (RFC 9112) from bytes as they come. Beast does the work and
// is confined to the source, as its headers take half a minute to compile. Not thread-safe.
class RequestParser {
 public:
  enum class Result {
    kComplete,
    kIncomplete,  // more bytes are needed
    kRefused,     // error() is the answer; what follows cannot be read
  };

  RequestParser(size_t max_head_bytes, size_t max_target_bytes);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Reads on. bytes: all that has been received and not been consumed. consumed: how many of them
  // are done with. After kComplete the rest belongs to the next request.
  Result Parse(absl::string_view bytes, size_t& consumed);
  HttpResponse error();

  // Of a complete head; views into this parser, as is request(). After kRefused as far as known.
  absl::string_view method() const;
  absl::string_view target() const;
  HttpRequest request() const;
  // A body follows. None is ever wanted here, so nothing more can be read after it.
  bool has_body() const;
  // The client wants to go on after the answer.
  bool keep_alive() const;

 private:
  struct State;
  Result Refuse(int status, absl::string_view message);

  std::unique_ptr<State> state_;
};

}  // namespace stowage
