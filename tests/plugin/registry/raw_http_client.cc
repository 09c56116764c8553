#include "tests/plugin/registry/raw_http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdlib>
#include <stdexcept>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace stowage::testing {

RawHttpClient::RawHttpClient(uint16_t port, int receive_buffer_bytes)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit = {10, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (receive_buffer_bytes > 0)
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect to the server under test");
}

bool RawHttpClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

RawHttpResponse RawHttpClient::Request(const std::string& method, const std::string& target,
                                       const std::string& header_lines) {
  Send(absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: test\r\n", header_lines, "\r\n"));
  return ReadResponse(method == "HEAD");
}

bool RawHttpClient::Fill() {
  char bytes[1 << 16];
  const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  received_.append(bytes, static_cast<size_t>(count));
  return true;
}

std::optional<std::string> RawHttpClient::TakeLine() {
  size_t end;
  while ((end = received_.find("\r\n")) == std::string::npos)
    if (!Fill()) return std::nullopt;
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 2);
  return line;
}

bool RawHttpClient::ReadExactly(size_t count, std::string& out) {
  while (received_.size() < count && Fill()) {
  }
  out.append(received_, 0, count);
  const bool all = received_.size() >= count;
  received_.erase(0, count);
  return all;
}

bool RawHttpClient::ReadChunks(std::string& out) {
  while (true) {
    const std::optional<std::string> line = TakeLine();
    if (!line) return false;
    const size_t size = std::strtoull(line->c_str(), nullptr, 16);
    std::string end;
    if (!ReadExactly(size, out) || !ReadExactly(2, end) || end != "\r\n") return false;
    if (size == 0) return true;
  }
}

RawHttpResponse RawHttpClient::ReadResponse(bool head_only) {
  RawHttpResponse response;
  const std::optional<std::string> first = TakeLine();
  if (!first || !absl::StartsWith(*first, "HTTP/1.1 ")) return response;
  response.status = std::atoi(first->c_str() + 9);
  response.reason = first->substr(std::min<size_t>(13, first->size()));
  while (true) {
    const std::optional<std::string> line = TakeLine();
    if (!line) return response;
    if (line->empty()) break;
    const size_t colon = line->find(": ");
    if (colon == std::string::npos) return response;
    response.headers[absl::AsciiStrToLower(line->substr(0, colon))] = line->substr(colon + 2);
  }
  if (head_only || response.status == 304) {
    response.complete = true;
  } else if (response.headers.count("transfer-encoding") > 0) {
    response.complete = ReadChunks(response.body);
  } else {
    uint64_t length = 0;
    response.complete = absl::SimpleAtoi(response.headers["content-length"], &length) &&
                        ReadExactly(length, response.body);
  }
  return response;
}

std::string RawHttpClient::ReadSome(size_t count) {
  std::string out;
  ReadExactly(count, out);
  return out;
}

bool RawHttpClient::AtEnd() {
  char byte;
  if (!received_.empty()) return false;
  const ssize_t count = ::recv(fd_.get(), &byte, 1, 0);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

void RawHttpClient::CloseSending() { ::shutdown(fd_.get(), SHUT_WR); }

void RawHttpClient::Reset() {
  const linger now = {1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.Reset();
}

}  // namespace stowage::testing
