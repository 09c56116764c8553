#include "plugin/registry/registry_answers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "plugin/registry/entity_tag.h"
#include "plugin/registry/registry_error.h"

namespace stowage {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kIndexMediaType[] = "application/vnd.oci.image.index.v1+json";

SharedBytes Dump(const Json& document) {
  return SharedBytes::Of(document.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// image-spec, descriptor.md; a referrer's annotations are those of its manifest.
Json DescriptorOf(const Referrer& referrer) {
  Json descriptor = {{"mediaType", referrer.manifest->media_type},
                     {"digest", referrer.manifest->digest.ToString()},
                     {"size", referrer.manifest->content.size()},
                     {"artifactType", referrer.artifact_type}};
  const Json manifest = Json::parse(referrer.manifest->content, nullptr, false);
  if (manifest.is_object() && manifest.contains("annotations"))
    descriptor["annotations"] = manifest["annotations"];
  return descriptor;
}

}  // namespace

HttpResponse AnswerReadOnly(absl::string_view method) {
  const RegistryError error = {
      405, "UNSUPPORTED",
      absl::StrCat(method, " is not supported: images are made here, never pushed"), ""};
  HttpResponse response = error.ToResponse();
  response.reason.clear();
  response.headers.emplace_back("Allow", "GET, HEAD");
  return response;
}

HttpResponse AnswerManifest(DocumentPointer manifest, absl::string_view if_none_match) {
  HttpResponse response;
  std::string tag = EntityTagOf(manifest->digest, ContentCoding::kIdentity);
  const bool unchanged = IfNoneMatchNames(if_none_match, tag);
  if (!unchanged) response.headers.emplace_back("Content-Type", manifest->media_type);
  response.headers.emplace_back("Docker-Content-Digest", manifest->digest.ToString());
  response.headers.emplace_back("ETag", std::move(tag));
  if (unchanged) {
    response.status = 304;
    return response;
  }
  const absl::string_view bytes = manifest->content;
  response.body = SharedBytes{std::move(manifest), bytes};
  return response;
}

HttpResponse AnswerTags(const RequestTarget& target, const std::vector<std::string>& tags) {
  uint64_t limit = tags.size();
  if (target.page_size && !absl::SimpleAtoi(*target.page_size, &limit))
    return RegistryError{400, "UNSUPPORTED",
                         absl::StrCat("n=", *target.page_size, " is not a number of tags"), ""}
        .ToResponse();
  const auto begin =
      target.last ? std::upper_bound(tags.begin(), tags.end(), *target.last) : tags.begin();
  const uint64_t left = static_cast<uint64_t>(tags.end() - begin);
  const auto end = begin + static_cast<ptrdiff_t>(std::min(limit, left));
  HttpResponse response;
  response.headers.emplace_back("Content-Type", "application/json");
  if (end != tags.end() && end != begin) {
    const std::string mirror =
        target.mirror_of.empty() ? "" : absl::StrCat("&ns=", target.mirror_of);
    response.headers.emplace_back(
        "Link", absl::StrCat("</v2/", target.name, "/tags/list?n=", limit, "&last=", *(end - 1),
                             mirror, ">; rel=\"next\""));
  }
  response.body = Dump(Json{{"name", target.name}, {"tags", std::vector<std::string>(begin, end)}});
  return response;
}

HttpResponse AnswerReferrers(const RequestTarget& target, const std::vector<Referrer>& referrers) {
  Json manifests = Json::array();
  for (const Referrer& referrer : referrers)
    if (!target.artifact_type || referrer.artifact_type == *target.artifact_type)
      manifests.push_back(DescriptorOf(referrer));
  HttpResponse response;
  response.headers.emplace_back("Content-Type", kIndexMediaType);
  if (target.artifact_type) response.headers.emplace_back("OCI-Filters-Applied", "artifactType");
  response.body =
      Dump(Json{{"schemaVersion", 2}, {"mediaType", kIndexMediaType}, {"manifests", manifests}});
  return response;
}

}  // namespace stowage
