#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage::testing {

struct RawHttpResponse {
  int status = 0;
  std::string reason;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without chunked framing, coded as sent
  bool complete = false;                       // false: the connection ended inside it
};

// A client on one blocking socket that sends exactly what it is told. Waits at most ten seconds.
class RawHttpClient {
 public:
  // receive_buffer_bytes: small values make the server's socket fill up soon; 0 leaves the default.
  explicit RawHttpClient(uint16_t port, int receive_buffer_bytes = 0);

  // False when the server has closed.
  bool Send(absl::string_view bytes);
  // "METHOD target HTTP/1.1" with Host and these further lines ("Name: value\r\n"), and its answer.
  RawHttpResponse Request(const std::string& method, const std::string& target,
                          const std::string& header_lines = "");
  RawHttpResponse Get(const std::string& target, const std::string& header_lines = "") {
    return Request("GET", target, header_lines);
  }
  // The next answer; head_only for one to HEAD.
  RawHttpResponse ReadResponse(bool head_only = false);
  // Reads at most `count` bytes, fewer only at the end of the connection.
  std::string ReadSome(size_t count);
  // True when the server closes without sending more.
  bool AtEnd();
  void CloseSending();
  // Sends a reset instead of an end.
  void Reset();

 private:
  bool Fill();
  std::optional<std::string> TakeLine();
  bool ReadExactly(size_t count, std::string& out);
  bool ReadChunks(std::string& out);

  UniqueFd fd_;
  std::string received_;
};

}  // namespace stowage::testing
