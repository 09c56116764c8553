#include "nix/git_source.h"

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/directory.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "nix/image_reference.h"
#include "nix/internal_json.h"
#include "nix/source_url.h"

namespace stowage {
namespace {

constexpr const char* kKeptVariables[] = {
    "PATH",       "HOME",        "USER",      "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",        "HTTPS_PROXY",   "ALL_PROXY",
    "NO_PROXY",   "TMPDIR",      "GIT_SSH",   "SSL_CERT_DIR",
};

std::vector<std::string> GitEnvironment() {
  // English messages, no questions, no protocol that runs a command of the URL's choice (ext::).
  std::vector<std::string> environment = {"LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0",
                                          "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh",
                                          "GIT_SSH_COMMAND=ssh -oBatchMode=yes"};
  for (const char* name : kKeptVariables)
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(absl::StrCat(name, "=", value));
  return environment;
}

// The last line that says something, as git's reason stands there or before "hints".
std::string GitReason(absl::string_view standard_error) {
  std::string reason = "git ended without saying why";
  for (const absl::string_view line :
       absl::StrSplit(standard_error, absl::ByAnyChar("\r\n"), absl::SkipWhitespace())) {
    const std::string plain = PlainText(line);
    if (absl::StartsWith(plain, "fatal: ") || absl::StartsWith(plain, "error: "))
      return plain.substr(7);
    reason = plain;
  }
  return reason;
}

// Lines of `git ls-remote`: OBJECT-ID, a tab, the ref's name.
std::optional<std::string> ObjectOf(absl::string_view listing, absl::string_view ref) {
  for (const absl::string_view line : absl::StrSplit(listing, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits('\t', 1));
    if (parts.second == ref && IsRevision(parts.first)) return std::string(parts.first);
  }
  return std::nullopt;
}

bool SaysCommitIsUnknown(absl::string_view reason) {
  return absl::StrContains(reason, "not our ref") ||
         absl::StrContains(reason, "couldn't find remote ref");
}

// A server without protocol version 2 gives out commits only that a ref names.
bool SaysCommitIsNotAdvertised(absl::string_view reason) {
  return absl::StrContains(reason, "unadvertised object");
}

}  // namespace

GitSource::GitSource(PackageSourceOptions options)
    : options_(std::move(options)),
      cache_(absl::StrCat(options_.cache_directory, "/git/",
                          Sha256(options_.location).hex().substr(0, 32)),
             options_.kept_revisions) {}

std::string GitSource::Describe() const {
  return absl::StrCat("git ", WithoutCredentials(options_.location));
}

std::string GitSource::PublicUrl() const { return PublicUrlOf(options_.location); }

absl::StatusOr<SubprocessResult> GitSource::Git(std::vector<std::string> arguments,
                                                const std::string& directory,
                                                const Progress& on_progress,
                                                const CallLimits& limits) const {
  SubprocessOptions process;
  process.argv = {"git",
                  "-c",
                  "core.hooksPath=/dev/null",
                  "-c",
                  "core.autocrlf=false",
                  "-c",
                  "http.lowSpeedLimit=1",
                  "-c",
                  "http.lowSpeedTime=60"};
  process.argv.insert(process.argv.end(), arguments.begin(), arguments.end());
  process.environment = GitEnvironment();
  process.working_directory = directory;
  process.deadline = limits.deadline;
  process.stop = limits.stop;
  std::string standard_error;
  LineSplitter lines([&](absl::string_view line) {
    if (on_progress) on_progress(PlainText(line));
  });
  process.on_stderr = [&](absl::string_view bytes) {
    if (standard_error.size() < 65536) absl::StrAppend(&standard_error, bytes);
    lines.Append(absl::StrReplaceAll(bytes, {{"\r", "\n"}}));
  };
  absl::StatusOr<SubprocessResult> result = RunSubprocess(process);
  if (absl::IsDeadlineExceeded(result.status()) || absl::IsCancelled(result.status()))
    return absl::Status(result.status().code(),
                        absl::StrCat("fetch from ", Describe(), ": ", result.status().message()));
  if (!result.ok())
    return absl::UnavailableError(
        absl::StrCat("run git: ", result.status().message(), "; is git installed?"));
  result->standard_error = std::move(standard_error);
  return result;
}

absl::StatusOr<std::string> GitSource::ResolveTag(const std::string& tag,
                                                  const CallLimits& limits) {
  STOWAGE_RETURN_IF_ERROR(CheckTag(tag));
  if (IsRevision(tag)) {
    STOWAGE_ASSIGN_OR_RETURN(SourceRevision revision, Fetch(tag, nullptr, limits));
    return std::move(revision.id);
  }
  const std::string name = tag == "latest" ? options_.git_default_ref : tag;
  const std::vector<std::string> refs =
      name.empty() ? std::vector<std::string>{"HEAD"}
                   : std::vector<std::string>{"refs/tags/" + name + "^{}", "refs/tags/" + name,
                                              "refs/heads/" + name};
  std::vector<std::string> arguments = {"ls-remote", "--", options_.location};
  arguments.insert(arguments.end(), refs.begin(), refs.end());
  STOWAGE_ASSIGN_OR_RETURN(const SubprocessResult listing, Git(arguments, "", nullptr, limits));
  if (listing.exit_code != 0)
    return absl::UnavailableError(absl::StrCat(
        "package set ", Describe(), " cannot be reached: ", GitReason(listing.standard_error)));
  for (const std::string& ref : refs)
    if (std::optional<std::string> object = ObjectOf(listing.standard_output, ref))
      return *std::move(object);
  return absl::NotFoundError(
      absl::StrCat("no tag '", tag, "' in package set ", Describe(), ": it has no ",
                   name.empty() ? "HEAD" : absl::StrCat("tag or branch '", name, "'"),
                   "; a commit needs all its 40 digits"));
}

absl::Status GitSource::FetchCommit(const std::string& repository, const std::string& commit,
                                    const Progress& on_progress, const CallLimits& limits) const {
  const auto fetch = [&](std::vector<std::string> what) {
    std::vector<std::string> arguments = {"--git-dir=" + repository, "fetch", "--progress",
                                          "--no-write-fetch-head", "--no-auto-maintenance"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    return Git(std::move(arguments), repository, on_progress, limits);
  };
  STOWAGE_ASSIGN_OR_RETURN(SubprocessResult fetched,
                           fetch({"--depth=1", "--no-tags", "--", options_.location, commit}));
  if (fetched.exit_code != 0 && SaysCommitIsNotAdvertised(fetched.standard_error)) {
    STOWAGE_ASSIGN_OR_RETURN(fetched, fetch({"--", options_.location, "+refs/heads/*:refs/heads/*",
                                             "+refs/tags/*:refs/tags/*"}));
  }
  const std::string reason = GitReason(fetched.standard_error);
  if (fetched.exit_code != 0 && !SaysCommitIsUnknown(fetched.standard_error))
    return absl::UnavailableError(
        absl::StrCat("package set ", Describe(), " cannot be reached: ", reason));
  STOWAGE_ASSIGN_OR_RETURN(const SubprocessResult found,
                           Git({"--git-dir=" + repository, "cat-file", "-e", commit + "^{commit}"},
                               repository, nullptr, limits));
  if (found.exit_code == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("no commit ", commit, " in package set ", Describe()));
}

absl::Status GitSource::CheckOut(const std::string& repository, const std::string& commit,
                                 const std::string& tree, const CallLimits& limits) const {
  STOWAGE_RETURN_IF_ERROR(MakeDirectories(tree));
  const std::vector<std::string> where = {"--git-dir=" + repository, "--work-tree=" + tree};
  for (const std::vector<std::string>& step :
       {std::vector<std::string>{"read-tree", commit},
        std::vector<std::string>{"checkout-index", "--all", "--force"}}) {
    std::vector<std::string> arguments = where;
    arguments.insert(arguments.end(), step.begin(), step.end());
    STOWAGE_ASSIGN_OR_RETURN(const SubprocessResult result, Git(arguments, tree, nullptr, limits));
    if (result.exit_code == 0) continue;
    const std::string reason = GitReason(result.standard_error);
    const std::string message =
        absl::StrCat("check out ", commit, " of ", Describe(), ": ", reason);
    return absl::StrContains(result.standard_error, "No space left")
               ? absl::ResourceExhaustedError(message)
               : absl::FailedPreconditionError(message);
  }
  return absl::OkStatus();
}

absl::StatusOr<SourceRevision> GitSource::Fetch(const std::string& revision,
                                                const Progress& on_progress,
                                                const CallLimits& limits) {
  if (!IsRevision(revision))
    return absl::InvalidArgumentError(absl::StrCat("'", revision, "' is no commit of 40 digits"));
  if (std::optional<std::string> path = cache_.Find(revision))
    return SourceRevision{revision, /*mutable_content=*/false, *std::move(path)};
  STOWAGE_ASSIGN_OR_RETURN(const RevisionCache::Workspace workspace, cache_.MakeWorkspace());
  const std::string repository = workspace.path() + "/repository";
  const std::string tree = workspace.path() + "/tree";
  STOWAGE_ASSIGN_OR_RETURN(const SubprocessResult made,
                           Git({"init", "--quiet", "--bare", "--template=", "--", repository},
                               workspace.path(), nullptr, limits));
  if (made.exit_code != 0)
    return absl::InternalError(
        absl::StrCat("git init ", repository, ": ", GitReason(made.standard_error)));
  STOWAGE_RETURN_IF_ERROR(FetchCommit(repository, revision, on_progress, limits));
  STOWAGE_RETURN_IF_ERROR(CheckOut(repository, revision, tree, limits));
  STOWAGE_ASSIGN_OR_RETURN(std::string path, cache_.Publish(tree, revision));
  return SourceRevision{revision, /*mutable_content=*/false, std::move(path)};
}

}  // namespace stowage
