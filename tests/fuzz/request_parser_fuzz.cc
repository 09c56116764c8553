#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "plugin/registry/request_parser.h"
#include "tests/fuzz/fuzz_target.h"

namespace stowage {
namespace {

constexpr size_t kMaxHeadBytes = 512;
constexpr size_t kMaxTargetBytes = 128;

// Everything that is said about one head, as one text.
struct Reading {
  RequestParser::Result result = RequestParser::Result::kIncomplete;
  size_t consumed = 0;
  std::string head;
};

bool HasNoLineEnd(absl::string_view text) {
  return text.find_first_of(absl::string_view("\r\n\0", 3)) == absl::string_view::npos;
}

std::string Describe(const RequestParser& parser) {
  const HttpRequest request = parser.request();
  STOWAGE_FUZZ_CHECK(request.version == 10 || request.version == 11);
  STOWAGE_FUZZ_CHECK(!request.method.empty() && !request.target.empty());
  STOWAGE_FUZZ_CHECK(request.target.size() <= kMaxTargetBytes && HasNoLineEnd(request.target));
  std::string text = absl::StrCat(request.method, " ", request.target, " ", request.version, " ",
                                  parser.has_body(), parser.keep_alive(), "\n");
  for (const HttpHeader& header : request.headers) {
    STOWAGE_FUZZ_CHECK(!header.name.empty() && HasNoLineEnd(header.name));
    STOWAGE_FUZZ_CHECK(HasNoLineEnd(header.value));
    STOWAGE_FUZZ_CHECK(request.Field(header.name).find(std::string(header.value)) !=
                       std::string::npos);
    absl::StrAppend(&text, header.name, ":", header.value, "\n");
  }
  return text;
}

// Reads as a connection does when the bytes come in pieces of this size.
Reading Read(absl::string_view bytes, size_t piece_bytes) {
  RequestParser parser(kMaxHeadBytes, kMaxTargetBytes);
  Reading reading;
  size_t received = 0;
  while (received < bytes.size() && reading.result == RequestParser::Result::kIncomplete) {
    received = std::min(received + piece_bytes, bytes.size());
    size_t consumed = 0;
    reading.result =
        parser.Parse(bytes.substr(reading.consumed, received - reading.consumed), consumed);
    reading.consumed += consumed;
    STOWAGE_FUZZ_CHECK(reading.consumed <= received);
  }
  if (reading.result == RequestParser::Result::kComplete) reading.head = Describe(parser);
  if (reading.result == RequestParser::Result::kRefused)
    STOWAGE_FUZZ_CHECK(parser.error().status >= 400);
  return reading;
}

void FuzzRequestParser(absl::string_view bytes) {
  const Reading whole = Read(bytes, bytes.size());
  // No request may look otherwise because of where the network has cut it. A bad one may be refused
  // later in pieces: Beast then waits for the end of the head.
  const bool complete = whole.result == RequestParser::Result::kComplete;
  for (const size_t piece_bytes : {size_t{1}, size_t{13}}) {
    const Reading pieces = Read(bytes, piece_bytes);
    STOWAGE_FUZZ_CHECK((pieces.result == RequestParser::Result::kComplete) == complete);
    if (!complete) continue;
    STOWAGE_FUZZ_CHECK(pieces.head == whole.head && pieces.consumed == whole.consumed);
  }
}

STOWAGE_FUZZ_TARGET(request_parser, FuzzRequestParser);

}  // namespace
}  // namespace stowage
