#include "nix/cached_closure.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/json_bounds.h"
#include "base/status_macros.h"
#include "nix/closure_assembly.h"
#include "nix/nix_process.h"

namespace stowage {
namespace {

using nlohmann::json;

constexpr size_t kMaxPaths = 20'000;
constexpr size_t kMaxDepth = 8;
constexpr size_t kMaxValues = 4'000'000;
constexpr absl::string_view kFeatures = "--extra-experimental-features";

absl::Status Wrong(absl::string_view path, absl::string_view member) {
  return absl::InvalidArgumentError(
      absl::StrCat("nix path-info: ", path, " has no valid ", member));
}

// Standard output of `nix ARGUMENTS`.
absl::StatusOr<std::string> AskNix(std::vector<std::string> arguments, const NixOptions& options,
                                   const CallLimits& limits) {
  NixCall call;
  call.program = "nix";
  call.arguments = {std::string(kFeatures), "nix-command"};
  call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
  STOWAGE_ASSIGN_OR_RETURN(NixResult result, RunNix(options, call, limits));
  if (result.exit_code == 0) return std::move(result.standard_output);
  return NixFailure(absl::StrCat("nix ", arguments[0]), NixReason(result.standard_error));
}

absl::StatusOr<std::vector<std::string>> HttpCaches(const NixOptions& options,
                                                    const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(const std::string text,
                           AskNix({"show-config", "--json"}, options, limits));
  const json settings = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json::json_pointer where("/substituters/value");
  std::vector<std::string> caches;
  if (!settings.is_object() || !settings.contains(where) || !settings[where].is_array())
    return absl::UnavailableError("nix show-config: it does not tell its substituters");
  for (const json& url : settings[where])
    if (url.is_string() && (absl::StartsWith(url.get_ref<const std::string&>(), "https://") ||
                            absl::StartsWith(url.get_ref<const std::string&>(), "http://")))
      caches.push_back(url.get<std::string>());
  return caches;
}

// "sha256-BASE64" (W3C, Subresource Integrity), as Nix writes it since 2.4.
std::optional<Digest> ParseIntegrity(const json& value) {
  if (!value.is_string()) return std::nullopt;
  absl::string_view text = value.get_ref<const std::string&>();
  std::string bytes;
  Digest::Bytes digest;
  if (!absl::ConsumePrefix(&text, "sha256-") || !absl::Base64Unescape(text, &bytes) ||
      bytes.size() != digest.size())
    return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return Digest(digest);
}

// null where there is no such member.
json Member(const json& object, const char* name) { return object.value(name, json()); }

// Values by path, from either form.
absl::StatusOr<std::vector<std::pair<std::string, json>>> Entries(const json& document) {
  std::vector<std::pair<std::string, json>> entries;
  if (!document.is_structured())
    return absl::InvalidArgumentError("nix path-info: it has printed no JSON");
  if (document.size() > kMaxPaths)
    return absl::InvalidArgumentError(
        absl::StrCat("nix path-info: the closure has more than ", kMaxPaths, " store paths"));
  for (const auto& [key, value] : document.items()) {
    if (!value.is_object()) return Wrong(key, "description");
    const json path = document.is_array() ? Member(value, "path") : json(key);
    if (!path.is_string()) return Wrong(key, "path");
    entries.emplace_back(path.get<std::string>(), value);
  }
  return entries;
}

absl::StatusOr<CachedClosure> AskCache(const std::string& url, absl::Span<const StorePath> roots,
                                       const NixOptions& options, const CallLimits& limits) {
  std::vector<std::string> asked = {"path-info", "--json", "--recursive", "--store", url,
                                    // Nix remembers for an hour that a cache had no such path.
                                    "--option", "narinfo-cache-negative-ttl", "0"};
  for (const StorePath& root : roots) asked.push_back(root.ToString());
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, AskNix(asked, options, limits));
  STOWAGE_ASSIGN_OR_RETURN(Closure closure, ParsePathInfo(text, roots));
  // Looks at signatures; of what the call before has fetched, which Nix keeps.
  std::vector<std::string> verified = {"store",       "verify",  "--no-contents",
                                       "--recursive", "--store", url};
  for (const StorePath& root : roots) verified.push_back(root.ToString());
  if (const auto trusted = AskNix(verified, options, limits); !trusted.ok()) {
    if (!absl::IsFailedPrecondition(trusted.status())) return trusted.status();
    return absl::FailedPreconditionError("not all of it is signed by a key that Nix trusts");
  }
  const absl::string_view base =
      absl::StripSuffix(absl::string_view(url).substr(0, url.find('?')), "/");
  return CachedClosure{std::string(base), std::move(closure)};
}

}  // namespace

absl::StatusOr<Closure> ParsePathInfo(absl::string_view json_text,
                                      absl::Span<const StorePath> roots) {
  STOWAGE_RETURN_IF_ERROR(CheckJsonBounds(json_text, kMaxDepth, kMaxValues));
  const json document =
      json::parse(json_text.begin(), json_text.end(), nullptr, /*allow_exceptions=*/false);
  STOWAGE_ASSIGN_OR_RETURN(const auto entries, Entries(document));
  absl::flat_hash_map<std::string, uint32_t> index;
  for (const auto& [path, value] : entries)
    if (!index.try_emplace(path, static_cast<uint32_t>(index.size())).second)
      return absl::InvalidArgumentError(absl::StrCat("nix path-info: ", path, " twice"));
  std::vector<ListedObject> objects;
  for (const auto& [path_text, value] : entries) {
    STOWAGE_ASSIGN_OR_RETURN(StorePath path, StorePath::Parse(path_text));
    const std::optional<Digest> hash = ParseIntegrity(Member(value, "narHash"));
    const json size = Member(value, "narSize"), references = Member(value, "references");
    if (!hash) return Wrong(path_text, "narHash");
    if (!size.is_number_unsigned()) return Wrong(path_text, "narSize");
    if (!references.is_array()) return Wrong(path_text, "references");
    ListedObject object{std::move(path), *hash, size.get<uint64_t>(), {}};
    for (const json& reference : references) {
      const auto found =
          reference.is_string() ? index.find(reference.get<std::string>()) : index.end();
      if (found == index.end()) return Wrong(path_text, "references");
      object.references.push_back(found->second);
    }
    objects.push_back(std::move(object));
  }
  std::vector<uint32_t> root_indices;
  for (const StorePath& root : roots) {
    const auto found = index.find(root.ToString());
    if (found == index.end())
      return absl::InvalidArgumentError(
          absl::StrCat("nix path-info: it says nothing about ", root.ToString()));
    root_indices.push_back(found->second);
  }
  return AssembleClosure(std::move(objects), root_indices);
}

absl::StatusOr<CachedClosure> ReadCachedClosure(absl::Span<const StorePath> roots,
                                                const NixOptions& options,
                                                const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(const std::vector<std::string> caches, HttpCaches(options, limits));
  std::vector<std::string> reasons;
  for (const std::string& url : caches) {
    absl::StatusOr<CachedClosure> closure = AskCache(url, roots, options, limits);
    if (closure.ok() || absl::IsCancelled(closure.status()) ||
        absl::IsDeadlineExceeded(closure.status()))
      return closure;
    reasons.push_back(absl::StrCat(url, ": ", closure.status().message()));
  }
  if (reasons.empty())
    return absl::FailedPreconditionError("Nix is configured with no binary cache over HTTP");
  return absl::FailedPreconditionError(absl::StrJoin(reasons, "; "));
}

}  // namespace stowage
