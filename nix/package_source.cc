#include "nix/package_source.h"

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/status_macros.h"
#include "nix/channel_source.h"
#include "nix/git_source.h"
#include "nix/image_reference.h"
#include "nix/path_source.h"

namespace stowage {
namespace {

absl::Status Reject(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("package source: ", what));
}

absl::Status CheckOptions(const PackageSourceOptions& options) {
  if (options.location.empty() || options.location.find('\0') != std::string::npos)
    return Reject("the location is empty or holds a NUL");
  if (options.kind == PackageSourceKind::kPath) {
    if (options.location[0] != '/')
      return Reject(absl::StrCat("path '", options.location, "' is not absolute"));
    return absl::OkStatus();
  }
  if (options.cache_directory.empty() || options.cache_directory[0] != '/')
    return Reject(absl::StrCat("cache directory '", options.cache_directory, "' is not absolute"));
  if (options.kind == PackageSourceKind::kGit) {
    if (options.location[0] == '-')
      return Reject(absl::StrCat("git URL '", options.location, "' begins with '-'"));
    if (options.git_default_ref.empty()) return absl::OkStatus();
    // What may not be asked for by a tag may not be configured either, but '/' is allowed here.
    for (const std::filesystem::path& part : std::filesystem::path(options.git_default_ref))
      if (const absl::Status status = CheckTag(part.string()); !status.ok())
        return Annotate(status, "package source: default ref");
    return absl::OkStatus();
  }
  if (const absl::Status status = CheckTag(options.location); !status.ok())
    return Annotate(status, "package source: channel");
  for (const std::string& url : {options.channel_base_url, options.channel_revision_url})
    if (!absl::StartsWith(url, "https://") && !absl::StartsWith(url, "http://"))
      return Reject(absl::StrCat("'", url, "' is no http or https URL"));
  if (!absl::StrContains(options.channel_revision_url, "{revision}"))
    return Reject(absl::StrCat("'", options.channel_revision_url, "' lacks {revision}"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PackageSource>> PackageSource::Create(PackageSourceOptions options) {
  STOWAGE_RETURN_IF_ERROR(CheckOptions(options));
  switch (options.kind) {
    case PackageSourceKind::kPath:
      return std::make_unique<PathSource>(std::move(options));
    case PackageSourceKind::kGit:
      return std::make_unique<GitSource>(std::move(options));
    case PackageSourceKind::kChannel:
      while (absl::EndsWith(options.channel_base_url, "/")) options.channel_base_url.pop_back();
      return std::make_unique<ChannelSource>(std::move(options));
  }
  return absl::InvalidArgumentError("package source: unknown kind");
}

}  // namespace stowage
