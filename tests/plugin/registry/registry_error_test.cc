#include "plugin/registry/registry_error.h"

#include <string>

#include "nlohmann/json.hpp"
#include "tests/support/catch.h"

namespace stowage {
namespace {

std::string BodyOf(const HttpResponse& response) {
  return std::string(std::get<SharedBytes>(response.body).bytes);
}

TEST_CASE("ToRegistryError maps codes to statuses and error codes", "[registry]") {
  using S = RegistrySubject;
  const auto [status, subject, http_status, code] =
      GENERATE(table<absl::Status, S, int, std::string>({
          {absl::NotFoundError("x"), S::kManifest, 404, "MANIFEST_UNKNOWN"},
          {absl::NotFoundError("x"), S::kDigest, 404, "MANIFEST_UNKNOWN"},
          {absl::NotFoundError("x"), S::kBlob, 404, "BLOB_UNKNOWN"},
          {absl::NotFoundError("x"), S::kName, 404, "NAME_UNKNOWN"},
          {absl::InvalidArgumentError("x"), S::kManifest, 400, "NAME_INVALID"},
          {absl::InvalidArgumentError("x"), S::kDigest, 400, "DIGEST_INVALID"},
          {absl::FailedPreconditionError("x"), S::kManifest, 422, "MANIFEST_INVALID"},
          {absl::UnauthenticatedError("x"), S::kManifest, 401, "UNAUTHORIZED"},
          {absl::PermissionDeniedError("x"), S::kManifest, 403, "DENIED"},
          {absl::UnavailableError("x"), S::kManifest, 503, "UNAVAILABLE"},
          {absl::ResourceExhaustedError("x"), S::kManifest, 503, "UNAVAILABLE"},
          {absl::CancelledError("x"), S::kManifest, 503, "UNAVAILABLE"},
          {absl::DeadlineExceededError("x"), S::kManifest, 504, "UNAVAILABLE"},
          {absl::InternalError("x"), S::kManifest, 500, "UNKNOWN"},
          {absl::DataLossError("x"), S::kBlob, 500, "UNKNOWN"},
          {absl::UnknownError("x"), S::kBlob, 500, "UNKNOWN"},
      }));
  const RegistryError error = ToRegistryError(status, subject, "d");
  CHECK(error.status == http_status);
  CHECK(error.code == code);
  CHECK(error.message == "x");
  CHECK(error.detail == "d");
}

TEST_CASE("A registry error is JSON with the message in body and reason phrase", "[registry]") {
  const RegistryError error = ToRegistryError(
      absl::FailedPreconditionError("nix: build of htop failed\nlast lines:\n\xff\"quoted\""),
      RegistrySubject::kManifest, "htop:latest");
  const HttpResponse response = error.ToResponse();
  CHECK(response.status == 422);
  CHECK(response.reason == "nix: build of htop failed");
  const auto json = nlohmann::json::parse(BodyOf(response));
  CHECK(json["errors"][0]["code"] == "MANIFEST_INVALID");
  CHECK(json["errors"][0]["detail"] == "htop:latest");
  CHECK(json["errors"][0]["message"] ==
        "nix: build of htop failed\nlast lines:\n\xef\xbf\xbd\"quoted\"");
  CHECK(response.headers == decltype(response.headers){{"Content-Type", "application/json"}});
}

TEST_CASE("Errors that another try may cure say so", "[registry]") {
  const HttpResponse response =
      ToRegistryError(absl::UnavailableError("busy"), RegistrySubject::kManifest, "").ToResponse();
  CHECK(response.headers.back() == std::pair<std::string, std::string>("Retry-After", "5"));
  CHECK_FALSE(nlohmann::json::parse(BodyOf(response))["errors"][0].contains("detail"));
}

TEST_CASE("ToReasonPhrase gives one short line of printable ASCII", "[registry]") {
  const auto [message, want] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"plain", "plain"},
      {"first\nsecond", "first"},
      {"\r\n\n  \nfirst", "first"},
      {"a\r\nSet-Cookie: x", "a"},
      {"tab\there", "tab here"},
      {"\x1b[31;1merror:\x1b[0m bad", "error: bad"},
      {"\x1b", ""},
      {"caf\xc3\xa9 \xe2\x80\x98x\xe2\x80\x99", "caf? ?x?"},
      {std::string("nul\0x", 5), "nul?x"},
  }));
  CHECK(ToReasonPhrase(message) == want);
  CHECK(ToReasonPhrase(std::string(1000, 'x')) == std::string(200, 'x'));
}

}  // namespace
}  // namespace stowage
