#include "plugin/registry/registry_service.h"

#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "plugin/registry/blob_answer.h"
#include "plugin/registry/mirrored_name.h"
#include "plugin/registry/registry_answers.h"

namespace stowage {
namespace {

HttpResponse Error(const absl::Status& status, RegistrySubject subject, absl::string_view detail) {
  return ToRegistryError(status, subject, detail).ToResponse();
}

// A sha256 digest as the client wrote it. NotFound for another algorithm, under which nothing can
// be stored here; InvalidArgument for what is no digest.
absl::StatusOr<Digest> ParseClientDigest(absl::string_view text) {
  if (IsForeignDigest(text))
    return absl::NotFoundError(absl::StrCat(text, " is unknown: digests here are sha256"));
  return Digest::Parse(text);
}

// A malformed digest is DIGEST_INVALID, whatever was asked for under it.
HttpResponse DigestError(const absl::Status& status, RegistrySubject subject,
                         absl::string_view digest) {
  return Error(status, absl::IsInvalidArgument(status) ? RegistrySubject::kDigest : subject,
               digest);
}

// containerd asks the next host after 4xx and 5xx, where anybody may have made an image of that
// name; after 300 it asks nobody (v2.1.9 core/remotes/docker/resolver.go, Resolve).
constexpr int kNoOtherHost = 300;

HttpResponse AnswerPing(RegistryEndpoint endpoint) {
  HttpResponse response;
  response.headers.emplace_back("Content-Type", "application/json");
  if (endpoint == RegistryEndpoint::kPingNoSlash) {
    response.status = 301;
    response.headers.emplace_back("Location", "/v2/");
  }
  response.body = SharedBytes::Of("{}");
  return response;
}

}  // namespace

RegistryService::RegistryService(ImageSource& source, const RegistryServiceOptions& options)
    : source_(source),
      max_encoders_(options.max_encoders),
      encoders_(std::make_shared<std::atomic<int>>(0)) {}

void RegistryService::Handle(const HttpRequest& request,
                             std::function<void(HttpResponse)> respond) {
  absl::StatusOr<RequestTarget> target = ParseRequestTarget(request.target);
  const bool shared =
      target.ok() && OwnerOfName(target->mirror_of, target->name) == NameOwner::kSharedHost;
  Respond answer = [respond = std::move(respond), shared,
                    mirror = target.ok() && IsValidMirrorHost(target->mirror_of)
                                 ? target->mirror_of
                                 : std::string()](HttpResponse response) {
    if (shared && response.status >= 400) response.status = kNoOtherHost;
    response.headers.emplace_back("Docker-Distribution-Api-Version", "registry/2.0");
    if (!mirror.empty()) response.headers.emplace_back("OCI-Namespace", mirror);
    respond(std::move(response));
  };
  if (request.method != "GET" && request.method != "HEAD")
    return answer(AnswerReadOnly(request.method));
  if (!target.ok()) return answer(Error(target.status(), RegistrySubject::kName, ""));
  Route(request, *std::move(target), std::move(answer));
}

void RegistryService::Route(const HttpRequest& request, RequestTarget target, Respond respond) {
  if (target.endpoint == RegistryEndpoint::kUnknown)
    return respond(RegistryError{404, "UNSUPPORTED", "no such endpoint", ""}.ToResponse());
  if (target.endpoint == RegistryEndpoint::kPing ||
      target.endpoint == RegistryEndpoint::kPingNoSlash)
    return respond(AnswerPing(target.endpoint));
  absl::Status valid = ValidateRepositoryName(target.name);
  if (valid.ok() && !target.mirror_of.empty() && !IsValidMirrorHost(target.mirror_of))
    valid = absl::InvalidArgumentError(absl::StrCat("ns=", target.mirror_of, " is not a host"));
  if (!valid.ok()) return respond(Error(valid, RegistrySubject::kName, target.name));
  switch (target.endpoint) {
    case RegistryEndpoint::kManifest:
      return Manifest(request, std::move(target), std::move(respond));
    case RegistryEndpoint::kBlob:
      return Blob(request, target, respond);
    case RegistryEndpoint::kTags:
      return respond(Tags(target));
    default:
      return respond(Referrers(target));
  }
}

void RegistryService::Manifest(const HttpRequest& request, RequestTarget target, Respond respond) {
  std::string if_none_match = request.Field("If-None-Match");
  if (absl::StrContains(target.reference, ':')) {
    const absl::StatusOr<Digest> digest = ParseClientDigest(target.reference);
    absl::StatusOr<DocumentPointer> manifest =
        digest.ok() ? source_.FindManifest(*digest) : digest.status();
    return respond(manifest.ok() ? AnswerManifest(*std::move(manifest), if_none_match)
                                 : DigestError(manifest.status(), RegistrySubject::kManifest,
                                               target.reference));
  }
  std::string detail = absl::StrCat(target.name, ":", target.reference);
  if (!IsValidTag(target.reference))
    return respond(Error(absl::NotFoundError(absl::StrCat(detail, " has no valid tag")),
                         RegistrySubject::kManifest, detail));
  source_.ResolveManifest(
      {std::move(target.name), std::move(target.reference), std::move(target.mirror_of)},
      [respond = std::move(respond), detail = std::move(detail),
       if_none_match = std::move(if_none_match)](absl::StatusOr<DocumentPointer> manifest) {
        respond(manifest.ok() ? AnswerManifest(*std::move(manifest), if_none_match)
                              : Error(manifest.status(), RegistrySubject::kManifest, detail));
      });
}

void RegistryService::Blob(const HttpRequest& request, const RequestTarget& target,
                           const Respond& respond) {
  const absl::StatusOr<Digest> digest = ParseClientDigest(target.reference);
  if (!digest.ok())
    return respond(DigestError(digest.status(), RegistrySubject::kBlob, target.reference));
  const BlobConditions conditions = BlobConditions::Of(request, *digest);
  if (request.method == "HEAD" || ClientHasBlob(conditions)) {
    const absl::StatusOr<uint64_t> size_bytes = source_.BlobSize(*digest);
    if (!size_bytes.ok())
      return respond(Error(size_bytes.status(), RegistrySubject::kBlob, target.reference));
    return respond(ClientHasBlob(conditions) ? AnswerBlobUnchanged(conditions)
                                             : AnswerBlobHead(conditions, *size_bytes));
  }
  const auto take_place = [in_use = encoders_, limit = max_encoders_] {
    return EncoderPlace::Take(in_use, limit);
  };
  source_.OpenBlob(*digest, [conditions, take_place, respond](absl::StatusOr<stowage::Blob> blob) {
    respond(blob.ok() ? AnswerBlob(conditions, *std::move(blob), take_place)
                      : Error(blob.status(), RegistrySubject::kBlob, conditions.digest.ToString()));
  });
}

HttpResponse RegistryService::Tags(const RequestTarget& target) {
  const absl::StatusOr<std::vector<std::string>> tags = source_.ListTags(target.name);
  if (!tags.ok()) return Error(tags.status(), RegistrySubject::kName, target.name);
  return AnswerTags(target, *tags);
}

HttpResponse RegistryService::Referrers(const RequestTarget& target) {
  const absl::StatusOr<Digest> digest = ParseClientDigest(target.reference);
  // "never 404 once supported": nothing refers to a digest that nothing here can have.
  if (absl::IsNotFound(digest.status())) return AnswerReferrers(target, {});
  if (!digest.ok())
    return DigestError(digest.status(), RegistrySubject::kManifest, target.reference);
  return AnswerReferrers(target, source_.Referrers(*digest));
}

}  // namespace stowage
