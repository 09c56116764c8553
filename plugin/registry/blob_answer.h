#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/digest.h"
#include "plugin/registry/accept_encoding.h"
#include "plugin/registry/encoded_layer_body.h"
#include "plugin/registry/http_message.h"
#include "plugin/registry/image_source.h"

namespace stowage {

// What of a GET for a blob decides its answer, copied out of the request, which does not live until
// the blob has been opened.
struct BlobConditions {
  Digest digest;
  std::string range;
  std::string if_range;
  std::string if_none_match;
  ContentCoding accepted = ContentCoding::kIdentity;

  static BlobConditions Of(const HttpRequest& request, const Digest& digest);
};

// The answer to HEAD: always about the identity coding, since clients send HEAD without
// Accept-Encoding and compare the length with the manifest's.
HttpResponse AnswerBlobHead(const BlobConditions& conditions, uint64_t size_bytes);

// Whether If-None-Match names the blob, in any coding, and the answer in that case (304).
bool ClientHasBlob(const BlobConditions& conditions);
HttpResponse AnswerBlobUnchanged(const BlobConditions& conditions);

// The answer to GET: 200 whole, 206 for one range, 416. A request with Range is answered in
// identity coding, offsets counting in the tar, so that a client can resume after a broken encoded
// body. take_place gives a place for an encoder or null, after which the body is identity.
HttpResponse AnswerBlob(const BlobConditions& conditions, Blob blob,
                        const std::function<std::unique_ptr<EncoderPlace>()>& take_place);

}  // namespace stowage
