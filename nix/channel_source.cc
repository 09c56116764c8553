#include "nix/channel_source.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "nix/http_get.h"
#include "nix/image_reference.h"
#include "nix/source_url.h"

namespace stowage {
namespace {

constexpr uint64_t kMaxTarballBytes = uint64_t{1} << 30;
constexpr size_t kMaxRememberedUrls = 1000;

// Object stores without permission to list answer 403 for what is not there.
bool SaysNotThere(int http_status) {
  return http_status == 404 || http_status == 403 || http_status == 410;
}

absl::Status UnexpectedStatus(absl::string_view url, int http_status) {
  return absl::UnavailableError(absl::StrCat("get ", url, ": the server answered ", http_status));
}

absl::Status Download(const std::string& url, const std::string& path, const CallLimits& limits) {
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd file,
                           OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  HttpGetOptions options;
  options.body_fd = file.get();
  options.max_bytes = kMaxTarballBytes;
  STOWAGE_ASSIGN_OR_RETURN(const HttpGetResult response, HttpGet(url, options, limits));
  if (SaysNotThere(response.status))
    return absl::NotFoundError(
        absl::StrCat("get ", url, ": the server answered ", response.status));
  if (response.status != 200) return UnexpectedStatus(url, response.status);
  return absl::OkStatus();
}

// By GNU tar, which finds the compression out by itself and lets nothing out of the directory.
absl::Status Unpack(const std::string& tarball, const std::string& tree, const std::string& url,
                    const CallLimits& limits) {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(tree));
  SubprocessOptions process;
  process.argv = {"tar",
                  "--extract",
                  "--file",
                  tarball,
                  "--directory",
                  tree,
                  "--strip-components=1",
                  "--no-same-owner",
                  "--no-same-permissions"};
  process.deadline = limits.deadline;
  process.stop = limits.stop;
  absl::StatusOr<SubprocessResult> result = RunSubprocess(process);
  if (absl::IsNotFound(result.status()))
    return absl::UnavailableError(absl::StrCat("unpack ", url, ": ", result.status().message()));
  if (!result.ok()) return result.status();
  if (result->exit_code == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("unpack ", url, ": ", absl::StripAsciiWhitespace(result->standard_error)));
}

// Channels' tarballs name their revision; those of other origin may not.
absl::Status CheckRevisionFile(const std::string& tree, const std::string& revision,
                               const std::string& url) {
  const absl::StatusOr<std::string> content = ReadFile(tree + "/.git-revision", 1024);
  if (absl::IsNotFound(content.status())) return absl::OkStatus();
  if (!content.ok()) return content.status();
  const absl::string_view found = absl::StripAsciiWhitespace(*content);
  if (found == revision) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(url, " holds revision ", absl::CHexEscape(found),
                                             ", not ", revision,
                                             ": the channel moved on meanwhile; try again"));
}

}  // namespace

ChannelSource::ChannelSource(PackageSourceOptions options)
    : options_(std::move(options)),
      cache_(absl::StrCat(options_.cache_directory, "/channel/",
                          Sha256(options_.channel_base_url).hex().substr(0, 32)),
             options_.kept_revisions) {}

std::string ChannelSource::Describe() const {
  return absl::StrCat("channel ", options_.location, " of ",
                      WithoutCredentials(options_.channel_base_url));
}

std::string ChannelSource::PublicUrl() const {
  const std::string base = PublicUrlOf(options_.channel_base_url);
  return base.empty() ? "" : absl::StrCat(base, "/", options_.location);
}

std::string ChannelSource::RevisionUrl(const std::string& revision) const {
  return absl::StrReplaceAll(options_.channel_revision_url, {{"{revision}", revision}});
}

std::string ChannelSource::TarballUrl(const std::string& revision) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = tarball_urls_.find(revision);
  return found != tarball_urls_.end() ? found->second : RevisionUrl(revision);
}

absl::StatusOr<std::string> ChannelSource::ResolveTag(const std::string& tag,
                                                      const CallLimits& limits) {
  STOWAGE_RETURN_IF_ERROR(CheckTag(tag));
  if (IsRevision(tag)) return ResolveRevision(tag, limits);
  return ResolveChannel(tag == "latest" ? options_.location : tag, limits);
}

absl::StatusOr<std::string> ChannelSource::ResolveRevision(const std::string& revision,
                                                           const CallLimits& limits) {
  if (cache_.Find(revision)) return revision;
  HttpGetOptions options;
  options.head_only = true;
  const std::string url = TarballUrl(revision);
  STOWAGE_ASSIGN_OR_RETURN(const HttpGetResult response, HttpGet(url, options, limits));
  if (response.status == 200) return revision;
  if (!SaysNotThere(response.status)) return UnexpectedStatus(url, response.status);
  return absl::NotFoundError(
      absl::StrCat("no revision ", revision, " at ", url, " (package set ", Describe(), ")"));
}

absl::StatusOr<std::string> ChannelSource::ResolveChannel(const std::string& channel,
                                                          const CallLimits& limits) {
  const std::string url = absl::StrCat(options_.channel_base_url, "/", channel, "/git-revision");
  STOWAGE_ASSIGN_OR_RETURN(const HttpGetResult response, HttpGet(url, {}, limits));
  if (SaysNotThere(response.status))
    return absl::NotFoundError(absl::StrCat("no tag '", channel, "' in package set ", Describe(),
                                            ": there is no channel of this name"));
  if (response.status != 200) return UnexpectedStatus(url, response.status);
  const std::string revision(absl::StripAsciiWhitespace(response.body));
  if (!IsRevision(revision))
    return absl::UnavailableError(absl::StrCat(
        "get ", url, ": the answer is no commit of 40 digits; is this a channel server?"));
  absl::string_view directory = response.effective_url;
  (void)absl::ConsumeSuffix(&directory, "git-revision");  // a redirect to another name: beside it
  directory = directory.substr(0, directory.rfind('/'));
  const absl::MutexLock lock(&mutex_);
  if (tarball_urls_.size() >= kMaxRememberedUrls) tarball_urls_.clear();
  tarball_urls_[revision] = absl::StrCat(directory, "/nixexprs.tar.xz");
  return revision;
}

absl::StatusOr<SourceRevision> ChannelSource::Fetch(const std::string& revision,
                                                    const Progress& on_progress,
                                                    const CallLimits& limits) {
  if (!IsRevision(revision))
    return absl::InvalidArgumentError(absl::StrCat("'", revision, "' is no commit of 40 digits"));
  if (std::optional<std::string> path = cache_.Find(revision))
    return SourceRevision{revision, /*mutable_content=*/false, *std::move(path)};
  STOWAGE_ASSIGN_OR_RETURN(const RevisionCache::Workspace workspace, cache_.MakeWorkspace());
  const std::string url = TarballUrl(revision);
  const std::string tarball = workspace.path() + "/tarball";
  const std::string tree = workspace.path() + "/tree";
  if (on_progress) on_progress(absl::StrCat("downloading ", url));
  STOWAGE_RETURN_IF_ERROR(Download(url, tarball, limits));
  if (on_progress) on_progress(absl::StrCat("unpacking ", url));
  STOWAGE_RETURN_IF_ERROR(Unpack(tarball, tree, url, limits));
  STOWAGE_RETURN_IF_ERROR(CheckRevisionFile(tree, revision, url));
  STOWAGE_ASSIGN_OR_RETURN(std::string path, cache_.Publish(tree, revision));
  return SourceRevision{revision, /*mutable_content=*/false, std::move(path)};
}

}  // namespace stowage
