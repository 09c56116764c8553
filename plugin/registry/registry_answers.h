#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "plugin/registry/http_message.h"
#include "plugin/registry/image_source.h"
#include "plugin/registry/request_target.h"

namespace stowage {

// Answers of the distribution-spec that are made from values alone. All are pure.

// Everything that is no GET or HEAD: 405 with Allow.
HttpResponse AnswerReadOnly(absl::string_view method);

// A manifest, or 304 if If-None-Match names it. There is one form of a manifest, so Accept selects
// nothing: docker-registry's 404 for clients that send "*/*" or no Accept breaks them for no gain.
HttpResponse AnswerManifest(DocumentPointer manifest, absl::string_view if_none_match);

// A page of a tag list ("Listing Tags"): after ?last=, at most ?n=, with Link if more follow.
// tags: sorted. Answers 400 when n is not a number.
HttpResponse AnswerTags(const RequestTarget& target, const std::vector<std::string>& tags);

// An image index of the referrers, only those of ?artifactType= when it is given ("Listing
// Referrers").
HttpResponse AnswerReferrers(const RequestTarget& target, const std::vector<Referrer>& referrers);

}  // namespace stowage
