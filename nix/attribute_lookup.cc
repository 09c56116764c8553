#include "nix/attribute_lookup.h"

#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nix/nix_process.h"
#include "nix/resolve_expression.h"
#include "nlohmann/json.hpp"

namespace stowage {
namespace {

using nlohmann::json;

std::string Dump(const json& value) {
  // Bytes that are no UTF-8 are replaced: they name nothing in a package set.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<std::string> RequestJson(const NixOptions& options,
                                        const AttributeLookupRequest& request) {
  json arguments = json::parse(options.set_arguments, nullptr, /*allow_exceptions=*/false);
  if (!arguments.is_object())
    return absl::InvalidArgumentError(absl::StrCat("arguments of the package set: '",
                                                   options.set_arguments, "' is no JSON object"));
  return Dump(json{{"set", request.set_path},
                   {"system", request.system},
                   {"arguments", std::move(arguments)},
                   {"names", request.names},
                   {"explain", request.explain}});
}

// The only directory that the evaluation may read.
std::string ReadableDirectory(const std::string& set_path) {
  struct stat status;
  if (::stat(set_path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return set_path;
  return std::filesystem::path(set_path).parent_path().string();
}

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> Texts(const json& object, const char* key) {
  std::vector<std::string> texts;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return texts;
  for (const json& text : *found)
    if (text.is_string()) texts.push_back(text.get<std::string>());
  return texts;
}

absl::StatusOr<AttributeLookup::Status> StatusNamed(const std::string& name) {
  if (name == "ok") return AttributeLookup::Status::kOk;
  if (name == "missing") return AttributeLookup::Status::kMissing;
  if (name == "ambiguous") return AttributeLookup::Status::kAmbiguous;
  if (name == "not-a-package") return AttributeLookup::Status::kNotAPackage;
  if (name == "fails") return AttributeLookup::Status::kFails;
  return absl::InternalError(absl::StrCat("evaluate: unknown status '", name, "'"));
}

absl::StatusOr<AttributeLookup> LookupFrom(const json& object) {
  AttributeLookup lookup;
  if (!object.is_object()) return absl::InternalError("evaluate: a result is no object");
  STOWAGE_ASSIGN_OR_RETURN(lookup.status, StatusNamed(Text(object, "status")));
  lookup.attribute = Texts(object, "attribute");
  lookup.parent = Texts(object, "parent");
  lookup.names = lookup.status == AttributeLookup::Status::kAmbiguous ? Texts(object, "candidates")
                                                                      : Texts(object, "similar");
  lookup.at = Text(object, "at");
  lookup.kind = Text(object, "kind");
  lookup.derivation = Text(object, "derivation");
  lookup.output = Text(object, "output");
  lookup.out = Text(object, "out");
  lookup.pname = Text(object, "pname");
  lookup.version = Text(object, "version");
  lookup.main_program = Text(object, "mainProgram");
  return lookup;
}

}  // namespace

absl::StatusOr<std::vector<AttributeLookup>> LookUpAttributes(const NixOptions& options,
                                                              const AttributeLookupRequest& request,
                                                              const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(std::string request_json, RequestJson(options, request));
  NixCall call;
  call.program = "nix-instantiate";
  // --read-write-mode: without it no .drv is written. "set=": a path that contains '=' must not be
  // split by Nix.
  call.arguments = {"--eval",
                    "--strict",
                    "--json",
                    "--read-write-mode",
                    "--log-format",
                    "internal-json",
                    "--option",
                    "restrict-eval",
                    "true",
                    "--option",
                    "allow-import-from-derivation",
                    "false",
                    "--option",
                    "allowed-uris",
                    "",
                    "-I",
                    absl::StrCat("set=", ReadableDirectory(request.set_path)),
                    "--argstr",
                    "request",
                    std::move(request_json),
                    "-"};
  call.standard_input = kResolveExpression;
  call.kill_grace = absl::Seconds(1);  // evaluation does not listen to SIGTERM and builds nothing
  STOWAGE_ASSIGN_OR_RETURN(const NixResult result, RunNix(options, call, limits));
  if (result.exit_code != 0) return NixFailure("evaluate", NixReason(result.standard_error));
  const json answers = json::parse(result.standard_output, nullptr, /*allow_exceptions=*/false);
  if (!answers.is_array() || answers.size() != request.names.size())
    return absl::InternalError("evaluate: Nix did not answer with one result per name");
  std::vector<AttributeLookup> lookups;
  for (const json& answer : answers) {
    STOWAGE_ASSIGN_OR_RETURN(AttributeLookup lookup, LookupFrom(answer));
    lookups.push_back(std::move(lookup));
  }
  return lookups;
}

}  // namespace stowage
