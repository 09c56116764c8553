#include "plugin/registry/blob_answer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "plugin/registry/entity_tag.h"
#include "plugin/registry/layer_body.h"
#include "plugin/registry/range_header.h"
#include "plugin/registry/registry_error.h"

namespace stowage {
namespace {

uint64_t SizeOf(const Blob& blob) {
  if (const DocumentPointer* document = std::get_if<DocumentPointer>(&blob))
    return (*document)->content.size();
  return std::get<std::shared_ptr<const LayerArchive>>(blob)->size_bytes();
}

void AddBlobHeaders(const Digest& digest, ContentCoding coding, HttpResponse& response) {
  response.headers = {
      {"Content-Type", "application/octet-stream"}, {"Docker-Content-Digest", digest.ToString()},
      {"ETag", EntityTagOf(digest, coding)},        {"Accept-Ranges", "bytes"},
      {"Cache-Control", "max-age=31536000"},        {"Vary", "Accept-Encoding"}};
}

HttpResponse AnswerUnsatisfiable(uint64_t size_bytes) {
  HttpResponse response =
      RegistryError{416, "SIZE_INVALID",
                    absl::StrCat("the range is not within the blob's ", size_bytes, " bytes"), ""}
          .ToResponse();
  response.reason.clear();
  response.headers.emplace_back("Content-Range", absl::StrCat("bytes */", size_bytes));
  return response;
}

void SetIdentityBody(Blob blob, uint64_t begin, uint64_t end, HttpResponse& response) {
  if (DocumentPointer* document = std::get_if<DocumentPointer>(&blob)) {
    const absl::string_view bytes =
        absl::string_view((*document)->content).substr(begin, end - begin);
    response.body = SharedBytes{std::move(*document), bytes};
    return;
  }
  response.body =
      MakeLayerBody(std::get<std::shared_ptr<const LayerArchive>>(std::move(blob)), begin, end);
}

// Tries to answer with the coding that the client likes best; false if identity must do.
bool SetEncodedBody(const BlobConditions& conditions, const Blob& blob,
                    const std::function<std::unique_ptr<EncoderPlace>()>& take_place,
                    HttpResponse& response) {
  const auto* layer = std::get_if<std::shared_ptr<const LayerArchive>>(&blob);
  if (conditions.accepted == ContentCoding::kIdentity || layer == nullptr) return false;
  std::unique_ptr<EncoderPlace> place = take_place();
  if (place == nullptr) return false;
  absl::StatusOr<std::unique_ptr<BodyStream>> body =
      MakeEncodedLayerBody(*layer, conditions.accepted, std::move(place));
  if (!body.ok()) return false;
  AddBlobHeaders(conditions.digest, conditions.accepted, response);
  response.headers.emplace_back("Content-Encoding", ContentCodingName(conditions.accepted));
  response.body = *std::move(body);
  return true;
}

}  // namespace

BlobConditions BlobConditions::Of(const HttpRequest& request, const Digest& digest) {
  BlobConditions conditions = {digest, request.Field("Range"), request.Field("If-Range"),
                               request.Field("If-None-Match")};
  // HTTP/1.0 knows no chunks, and a body that only the end of the connection delimits could be cut
  // without the client noticing.
  if (request.version >= 11 && conditions.range.empty())
    conditions.accepted = ChooseContentCoding(request.Field("Accept-Encoding"));
  return conditions;
}

bool ClientHasBlob(const BlobConditions& conditions) {
  // Whichever coding the client's copy came in: all stand for the same blob.
  for (const ContentCoding coding :
       {ContentCoding::kIdentity, ContentCoding::kGzip, ContentCoding::kZstd})
    if (IfNoneMatchNames(conditions.if_none_match, EntityTagOf(conditions.digest, coding)))
      return true;
  return false;
}

HttpResponse AnswerBlobUnchanged(const BlobConditions& conditions) {
  HttpResponse response;
  response.status = 304;
  response.headers = {{"Docker-Content-Digest", conditions.digest.ToString()},
                      {"ETag", EntityTagOf(conditions.digest, conditions.accepted)},
                      {"Cache-Control", "max-age=31536000"},
                      {"Vary", "Accept-Encoding"}};
  return response;
}

HttpResponse AnswerBlobHead(const BlobConditions& conditions, uint64_t size_bytes) {
  HttpResponse response;
  AddBlobHeaders(conditions.digest, ContentCoding::kIdentity, response);
  response.head_content_length = size_bytes;
  return response;
}

HttpResponse AnswerBlob(const BlobConditions& conditions, Blob blob,
                        const std::function<std::unique_ptr<EncoderPlace>()>& take_place) {
  const uint64_t size_bytes = SizeOf(blob);
  const std::string identity_tag = EntityTagOf(conditions.digest, ContentCoding::kIdentity);
  const ByteRange range = IfRangeAllows(conditions.if_range, identity_tag)
                              ? ResolveRange(conditions.range, size_bytes)
                              : ByteRange{};
  if (range.kind == ByteRange::Kind::kUnsatisfiable) return AnswerUnsatisfiable(size_bytes);
  HttpResponse response;
  if (range.kind == ByteRange::Kind::kPart) {
    response.status = 206;
    AddBlobHeaders(conditions.digest, ContentCoding::kIdentity, response);
    response.headers.emplace_back(
        "Content-Range", absl::StrCat("bytes ", range.begin, "-", range.end - 1, "/", size_bytes));
    SetIdentityBody(std::move(blob), range.begin, range.end, response);
    return response;
  }
  if (SetEncodedBody(conditions, blob, take_place, response)) return response;
  AddBlobHeaders(conditions.digest, ContentCoding::kIdentity, response);
  SetIdentityBody(std::move(blob), 0, size_bytes, response);
  return response;
}

}  // namespace stowage
