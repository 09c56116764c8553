#include "nix/path_source.h"

#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace stowage {

std::string PathSource::PublicUrl() const { return ""; }

std::string PathSource::Describe() const { return absl::StrCat("path ", options_.location); }

absl::StatusOr<std::string> PathSource::ResolveTag(const std::string& tag, const CallLimits&) {
  if (tag == "latest") return std::string();
  return absl::NotFoundError(absl::StrCat("no tag '", tag, "' in package set ", Describe(),
                                          ": a set on disk has the tag 'latest' only"));
}

absl::StatusOr<SourceRevision> PathSource::Fetch(const std::string& revision, const Progress&,
                                                 const CallLimits&) {
  if (!revision.empty())
    return absl::NotFoundError(
        absl::StrCat("no revision '", revision, "' in package set ", Describe()));
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(options_.location, error);
  if (error)
    return absl::FailedPreconditionError(absl::StrCat(
        "package set ", options_.location, ": ", error.message(), "; correct the source's path"));
  struct stat status;
  const std::string file =
      std::filesystem::is_directory(real, error) ? (real / "default.nix").string() : real.string();
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    return absl::FailedPreconditionError(absl::StrCat("package set ", options_.location, ": ", file,
                                                      " is no file; a package set is a "
                                                      "Nix file or a directory with default.nix"));
  return SourceRevision{"", /*mutable_content=*/true, real.string()};
}

}  // namespace stowage
