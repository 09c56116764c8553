#include "plugin/images/record_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/profile_archive.h"
#include "nix/http_get.h"
#include "nix/source_url.h"

namespace stowage {
namespace {

// Of all requests for one image. An image that is still to be built there is fetched whole here.
constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr size_t kMaxCredentialsBytes = size_t{16} << 10;

absl::Status StatusOfAnswer(int status) {
  switch (status) {
    case 200:
      return absl::OkStatus();
    case 401:
    case 403:
      return absl::PermissionDeniedError(absl::StrCat("it refuses the credentials (", status,
                                                      "): look at images.record_credentials_file"));
    case 404:
      return absl::NotFoundError("it has no such image (404)");
    default:
      return absl::UnavailableError(absl::StrCat("it answered ", status));
  }
}

// The requests for one image.
class Session {
 public:
  Session(const RecordSourceOptions& source, const std::string& name, const CallLimits& limits)
      : base_url_(absl::StrCat(source.url, "/v2/nix/", name)),
        limits_{std::min(limits.deadline, absl::Now() + kPatience), limits.stop} {
    options_.direct = IsLoopbackUrl(source.url);
    options_.follow_redirects = false;
    options_.ca_file = source.ca_file;
  }

  absl::Status Authenticate(const std::string& credentials_file) {
    if (credentials_file.empty()) return absl::OkStatus();
    STOWAGE_ASSIGN_OR_RETURN(options_.authorization, ReadCredentials(credentials_file));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Get(const std::string& what, size_t max_bytes) {
    options_.max_bytes = max_bytes;
    const std::string url = absl::StrCat(base_url_, what);
    STOWAGE_ASSIGN_OR_RETURN(HttpGetResult answer, HttpGet(url, options_, limits_));
    STOWAGE_RETURN_IF_ERROR(Annotate(StatusOfAnswer(answer.status), absl::StrCat("get ", url)));
    return std::move(answer.body);
  }

  absl::StatusOr<std::string> GetBlob(const Digest& digest, size_t max_bytes) {
    const std::string what = absl::StrCat("/blobs/", digest.ToString());
    STOWAGE_ASSIGN_OR_RETURN(std::string blob, Get(what, max_bytes));
    if (Sha256(blob) != digest)
      return absl::DataLossError(
          absl::StrCat("get ", base_url_, what, ": what came has another digest"));
    return blob;
  }

  const std::string& base_url() const { return base_url_; }

 private:
  const std::string base_url_;
  const CallLimits limits_;
  HttpGetOptions options_;
};

}  // namespace

absl::StatusOr<std::string> ReadCredentials(const std::string& file) {
  struct stat status;
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IRWXO) != 0)
    return absl::FailedPreconditionError(
        absl::StrCat("read ", file, ": every user may read it; 'chmod o= ", file, "' ends that"));
  STOWAGE_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxCredentialsBytes));
  absl::string_view line = absl::StripTrailingAsciiWhitespace(text);
  const bool printable = std::all_of(line.begin(), line.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
  });
  if (printable && absl::ConsumePrefix(&line, "bearer ") && !line.empty())
    return absl::StrCat("Bearer ", line);
  if (printable && line.find(':') != absl::string_view::npos && line.find(':') != 0)
    return absl::StrCat("Basic ", absl::Base64Escape(line));
  return absl::InvalidArgumentError(
      absl::StrCat("read ", file, ": it must be one line, USER:PASSWORD or bearer TOKEN"));
}

absl::StatusOr<ReceivedImage> FetchRecord(const RecordSourceOptions& source,
                                          const std::string& name, const std::string& tag,
                                          const CallLimits& limits) {
  Session session(source, name, limits);
  STOWAGE_RETURN_IF_ERROR(session.Authenticate(source.credentials_file));
  STOWAGE_ASSIGN_OR_RETURN(const std::string manifest_text,
                           session.Get(absl::StrCat("/manifests/", tag), kMaxManifestBytes));
  auto manifest = ParseManifest(manifest_text);
  if (!manifest.ok())
    return Annotate(manifest.status(),
                    absl::StrCat("the manifest of ", session.base_url(), ":", tag));
  const ReceivedLayer& profile_layer = manifest->layers.back();
  if (profile_layer.size_bytes > kMaxProfileArchiveBytes)
    return absl::ResourceExhaustedError(absl::StrCat("the manifest of ", session.base_url(), ":",
                                                     tag, ": its last layer is no profile, it has ",
                                                     profile_layer.size_bytes, " bytes"));
  STOWAGE_ASSIGN_OR_RETURN(const std::string closure_text,
                           session.GetBlob(manifest->closure_digest, kMaxClosureDocumentBytes));
  auto closure = ParseClosureDocument(closure_text);
  if (!closure.ok())
    return Annotate(closure.status(),
                    absl::StrCat("the closure document of ", session.base_url(), ":", tag));
  STOWAGE_ASSIGN_OR_RETURN(const std::string tar,
                           session.GetBlob(profile_layer.diff_id, profile_layer.size_bytes));
  auto profile = ReadProfileArchive(tar);
  if (!profile.ok())
    return Annotate(profile.status(),
                    absl::StrCat("the last layer of ", session.base_url(), ":", tag));
  return ReceivedImage{*std::move(manifest), *std::move(closure), *std::move(profile)};
}

}  // namespace stowage
