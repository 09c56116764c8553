#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace stowage {

struct HttpHeader {
  absl::string_view name;
  absl::string_view value;
};

// The head of one request. Everything in it is a view, valid only during HttpHandler::Handle.
struct HttpRequest {
  absl::string_view method;  // as sent, methods are case-sensitive
  absl::string_view target;  // as sent: path and query, percent-encoded
  int version = 11;          // 10 or 11
  absl::Span<const HttpHeader> headers;

  // All values of a header, joined by ", " (RFC 9110, 5.3); "" if it was not sent. docker, podman
  // and skopeo send one Accept field for each type. name: any case.
  std::string Field(absl::string_view name) const;
};

// What a body is written to. Never blocks on the network. Not thread-safe.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // Sends what the connection takes now and returns how many bytes that was; fewer than given means
  // that the stream must stop and continue later. more: further bytes will follow at once.
  // Errors: Unavailable when the client has gone.
  virtual absl::StatusOr<uint64_t> Send(absl::string_view bytes, bool more) = 0;
  // The same with `size` bytes of an open file, by sendfile(2). Also DataLoss if the file ends
  // before.
  virtual absl::StatusOr<uint64_t> SendFile(int fd, uint64_t offset, uint64_t size) = 0;
};

// A body that is made while it is sent. Used by one thread at a time.
class BodyStream {
 public:
  enum class Work {
    kDisk,      // mostly waits: for files and for sendfile(2)
    kProcessor  // mostly computes
  };

  virtual ~BodyStream() = default;
  // Length of the body; without one the stream must write the chunked framing itself (RFC 9112,
  // 7.1), and the request must not be HTTP/1.0.
  virtual std::optional<uint64_t> size_bytes() const = 0;
  virtual Work work() const = 0;
  // Writes from where the last call stopped until all is written (true) or the writer takes no more
  // (false). May block on the disk and compute, so it never runs on an I/O thread. After an error
  // before the first byte the client gets that error as status; later the connection is cut, so
  // that it sees a short body rather than a wrong one.
  virtual absl::StatusOr<bool> Continue(BodyWriter& writer) = 0;
};

// Bytes in memory that somebody else may own as well.
struct SharedBytes {
  std::shared_ptr<const void> owner;  // owners: this body and whoever caches the bytes
  absl::string_view bytes;

  static SharedBytes Of(std::string text);
};

struct HttpResponse {
  int status = 200;
  std::string reason;  // "" for the standard phrase; sent as one line of ASCII
  // Without Content-Length, Transfer-Encoding, Connection and Date, which the server adds.
  std::vector<std::pair<std::string, std::string>> headers;
  // Left out by the server when the request was HEAD; Content-Length still tells its length.
  std::variant<SharedBytes, std::unique_ptr<BodyStream>> body;
  // Length of the body that GET would get, for an answer to HEAD that has no body at hand.
  std::optional<uint64_t> head_content_length;
};

// What answers requests. Thread-safe.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Calls `respond` exactly once, from any thread, during the call or any time later (also after
  // the server has been stopped, which drops the response). Must not block: it runs on an I/O
  // thread.
  virtual void Handle(const HttpRequest& request, std::function<void(HttpResponse)> respond) = 0;
};

}  // namespace stowage
