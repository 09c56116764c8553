// Git and channel sources against real repositories and a real web server on this machine. Needs
// the programs git, python3, tar and xz.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "nix/package_source.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

[[maybe_unused]] const bool can_run = [] {
  for (const char* program : {"git", "python3", "tar", "xz"}) {
    SubprocessOptions version;
    version.argv = {program, "--version"};
    version.deadline = absl::Now() + absl::Seconds(30);
    if (RunSubprocess(version).ok()) continue;
    std::fprintf(stderr, "skipped: needs %s\n", program);
    std::_Exit(77);
  }
  return true;
}();

CallLimits Limits() {
  CallLimits limits;
  limits.deadline = absl::Now() + absl::Minutes(2);
  return limits;
}

std::string Run(std::vector<std::string> argv, const std::string& directory) {
  SubprocessOptions options;
  options.argv = std::move(argv);
  options.working_directory = directory;
  options.deadline = absl::Now() + absl::Minutes(1);
  const auto result = RunSubprocess(options);
  REQUIRE_OK(result);
  INFO(options.argv[0] << ": " << result->standard_error);
  REQUIRE(result->exit_code == 0);
  return std::string(absl::StripAsciiWhitespace(result->standard_output));
}

// A repository with two commits on main (the first one tagged v1, annotated), a branch `other` and
// a tag and a branch both called `both`.
class Repository {
 public:
  Repository() {
    REQUIRE_OK(MakeDirectories(path() + "/sub"));
    Git({"init", "--quiet", "--initial-branch=main"});
    first = Commit("first");
    Git({"tag", "-a", "v1", "-m", "one"});
    Git({"tag", "both"});
    Git({"branch", "other"});
    second = Commit("second");
    Git({"branch", "both"});
  }
  std::string Commit(const std::string& text) {
    REQUIRE_OK(WriteFileAtomically(path() + "/default.nix", absl::StrCat("\"", text, "\"")));
    REQUIRE_OK(WriteFileAtomically(path() + "/sub/run", "#!", 0755));
    Git({"add", "."});
    Git({"commit", "--quiet", "-m", text});
    return Git({"rev-parse", "HEAD"});
  }
  std::string Git(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {
        "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return Run(argv, path());
  }
  std::string path() const { return directory_.Join("repository"); }

  std::string first, second;

 private:
  testing::TemporaryDirectory directory_;
};

std::unique_ptr<PackageSource> GitSet(const std::string& url, const std::string& cache,
                                      const std::string& default_ref = "") {
  PackageSourceOptions options;
  options.kind = PackageSourceKind::kGit;
  options.location = url;
  options.cache_directory = cache;
  options.git_default_ref = default_ref;
  auto source = PackageSource::Create(options);
  REQUIRE_OK(source);
  return *std::move(source);
}

TEST_CASE("A git source resolves branches, tags and commits", "[nix][git_source]") {
  Repository repository;
  const testing::TemporaryDirectory cache;
  const std::string scheme = GENERATE("", "file://");
  const std::string url = scheme + repository.path();
  const auto source = GitSet(url, cache.path());
  CHECK(*source->ResolveTag("latest", Limits()) == repository.second);
  CHECK(*source->ResolveTag("main", Limits()) == repository.second);
  CHECK(*source->ResolveTag("other", Limits()) == repository.first);
  CHECK(*source->ResolveTag("v1", Limits()) == repository.first);
  CHECK(*source->ResolveTag("both", Limits()) == repository.first);
  CHECK(*source->ResolveTag(repository.first, Limits()) == repository.first);
  CHECK(*GitSet(url, cache.path(), "other")->ResolveTag("latest", Limits()) == repository.first);
}

TEST_CASE("A git source knows unknown tags and commits from a repository out of reach",
          "[nix][git_source]") {
  Repository repository;
  const testing::TemporaryDirectory cache;
  const auto source = GitSet(repository.path(), cache.path());
  const std::string unknown =
      GENERATE(std::string("nosuchtag"), std::string("mai"), std::string(40, '1'));
  const absl::Status missing = source->ResolveTag(unknown, Limits()).status();
  INFO(missing.ToString());
  CHECK(absl::IsNotFound(missing));
  CHECK(absl::StrContains(missing.message(), unknown));
  CHECK(absl::StrContains(missing.message(), "git " + repository.path()));

  const absl::Status away =
      GitSet(repository.path() + "-away", cache.path())->ResolveTag(unknown, Limits()).status();
  CHECK(absl::IsUnavailable(away));
  CHECK(absl::StrContains(away.message(), "cannot be reached"));
  CHECK(absl::IsInvalidArgument(source->ResolveTag("--help", Limits()).status()));
}

TEST_CASE("A git source checks out the tree of a commit once", "[nix][git_source]") {
  Repository repository;
  const testing::TemporaryDirectory cache;
  const auto source = GitSet("file://" + repository.path(), cache.path());
  const auto set = source->Fetch(
      repository.first, [](absl::string_view) {}, Limits());
  REQUIRE_OK(set);
  CHECK(set->id == repository.first);
  CHECK_FALSE(set->mutable_content);
  CHECK(*ReadFile(set->set_path + "/default.nix") == "\"first\"");
  CHECK(::access((set->set_path + "/sub/run").c_str(), X_OK) == 0);
  CHECK(*ListDirectory(set->set_path) == std::vector<std::string>{"default.nix", "sub"});
  CHECK(ListDirectory(set->set_path + "/..")->size() == 1);  // no workspace is left

  REQUIRE_OK(RemoveTree(repository.path()));
  CHECK(source->Fetch(repository.first, nullptr, Limits())->set_path == set->set_path);
  CHECK(*source->ResolveTag(repository.first, Limits()) == repository.first);
  CHECK(absl::IsUnavailable(source->Fetch(repository.second, nullptr, Limits()).status()));
}

TEST_CASE("A git source refuses a commit without a package set", "[nix][git_source]") {
  Repository repository;
  const testing::TemporaryDirectory cache;
  repository.Git({"rm", "--quiet", "default.nix"});
  repository.Git({"commit", "--quiet", "-m", "none"});
  const absl::Status status = GitSet(repository.path(), cache.path())
                                  ->Fetch(repository.Git({"rev-parse", "HEAD"}), nullptr, Limits())
                                  .status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "no default.nix"));
}

TEST_CASE("A git source runs no command that a URL names", "[nix][git_source]") {
  const testing::TemporaryDirectory directory;
  const auto source = GitSet("ext::sh -c touch% " + directory.Join("ran"), directory.Join("cache"));
  CHECK(absl::IsUnavailable(source->ResolveTag("latest", Limits()).status()));
  CHECK(::access(directory.Join("ran").c_str(), F_OK) != 0);
}

// python3 -m http.server in a directory, on a free port of 127.0.0.1, as long as this object lives.
class WebServer {
 public:
  explicit WebServer(const std::string& directory) {
    const std::string log = directory + "/server.log";
    thread_ = std::jthread([directory, log](std::stop_token stop) {
      SubprocessOptions options;
      options.argv = {
          "python3",
          "-u",
          "-c",
          "import http.server, functools, sys\n"
          "h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n"
          "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)\n"
          "open(sys.argv[2] + '.tmp', 'w').write(str(s.server_port))\n"
          "import os; os.rename(sys.argv[2] + '.tmp', sys.argv[2])\n"
          "s.serve_forever()\n",
          directory,
          log};
      options.stop = stop;
      options.deadline = absl::Now() + absl::Minutes(5);
      (void)RunSubprocess(options);  // ended by the destructor
    });
    for (int i = 0; i < 600 && ::access(log.c_str(), F_OK) != 0; ++i)
      absl::SleepFor(absl::Milliseconds(50));
    const auto port = ReadFile(log);
    REQUIRE_OK(port);
    url = "http://127.0.0.1:" + *port;
  }
  std::string url;

 private:
  std::jthread thread_;
};

// A web server with the channels `stable` (revision a...a) and `broken` (no revision in it), and
// the tarball of revision b...b.
class ChannelServer {
 public:
  ChannelServer() {
    AddSet("stable", "nixexprs.tar.xz", a);
    AddSet("revisions", b + ".tar.gz", b);
    Write("stable/git-revision", a + "\n");
    Write("broken/git-revision", "<html>");
    server.emplace(directory_.path());
  }
  void Write(const std::string& name, const std::string& content) {
    REQUIRE_OK(MakeDirectories(directory_.Join(name.substr(0, name.find('/')))));
    REQUIRE_OK(WriteFileAtomically(directory_.Join(name), content));
  }
  std::unique_ptr<PackageSource> Source(const std::string& cache) const {
    PackageSourceOptions options;
    options.kind = PackageSourceKind::kChannel;
    options.location = "stable";
    options.channel_base_url = server->url + "/";
    options.channel_revision_url = server->url + "/revisions/{revision}.tar.gz";
    options.cache_directory = cache;
    auto source = PackageSource::Create(options);
    REQUIRE_OK(source);
    return *std::move(source);
  }
  const std::string a = std::string(40, 'a'), b = std::string(40, 'b');
  std::optional<WebServer> server;

 private:
  void AddSet(const std::string& channel, const std::string& tarball, const std::string& revision) {
    const testing::TemporaryDirectory set;
    REQUIRE_OK(MakeDirectories(set.Join("top")));
    REQUIRE_OK(
        WriteFileAtomically(set.Join("top/default.nix"), absl::StrCat("\"", revision, "\"")));
    REQUIRE_OK(WriteFileAtomically(set.Join("top/.git-revision"), revision));
    REQUIRE_OK(MakeDirectories(directory_.Join(channel)));
    Run({"tar", "--create", "--auto-compress", "--file", directory_.Join(channel + "/" + tarball),
         "top"},
        set.path());
  }
  testing::TemporaryDirectory directory_;
};

TEST_CASE("A channel source resolves latest, channels and revisions, and fetches them",
          "[nix][channel_source]") {
  const ChannelServer channels;
  const testing::TemporaryDirectory cache;
  const auto source = channels.Source(cache.path());
  CHECK(*source->ResolveTag("latest", Limits()) == channels.a);
  CHECK(*source->ResolveTag("stable", Limits()) == channels.a);
  CHECK(*source->ResolveTag(channels.b, Limits()) == channels.b);
  for (const std::string& revision : {channels.a, channels.b}) {
    const auto set = source->Fetch(
        revision, [](absl::string_view) {}, Limits());
    REQUIRE_OK(set);
    CHECK(set->id == revision);
    CHECK(*ReadFile(set->set_path + "/default.nix") == absl::StrCat("\"", revision, "\""));
  }
}

TEST_CASE("A channel source knows unknown tags from a server out of reach",
          "[nix][channel_source]") {
  ChannelServer channels;
  const testing::TemporaryDirectory cache;
  const auto source = channels.Source(cache.path());
  const absl::Status channel = source->ResolveTag("nosuch", Limits()).status();
  CHECK(absl::IsNotFound(channel));
  CHECK(absl::StrContains(channel.message(), "no tag 'nosuch' in package set channel stable of"));
  CHECK(absl::IsNotFound(source->ResolveTag(std::string(40, 'c'), Limits()).status()));
  CHECK(absl::IsNotFound(source->Fetch(std::string(40, 'c'), nullptr, Limits()).status()));
  const absl::Status broken = source->ResolveTag("broken", Limits()).status();
  CHECK(absl::IsUnavailable(broken));
  CHECK(absl::StrContains(broken.message(), "no commit of 40 digits"));

  REQUIRE_OK(source->Fetch(*source->ResolveTag("latest", Limits()), nullptr, Limits()));
  channels.server.reset();
  const absl::Status away = source->ResolveTag("latest", Limits()).status();
  CHECK(absl::IsUnavailable(away));
  CHECK(absl::StrContains(away.message(), "/stable/git-revision"));
  CHECK(source->Fetch(channels.a, nullptr, Limits()).ok());
  CHECK(*source->ResolveTag(channels.a, Limits()) == channels.a);
}

TEST_CASE("A channel source notices a channel that moved and a damaged tarball",
          "[nix][channel_source]") {
  ChannelServer channels;
  const testing::TemporaryDirectory cache;
  const auto source = channels.Source(cache.path());
  const std::string other(40, 'd');
  channels.Write("stable/git-revision", other);
  CHECK(*source->ResolveTag("latest", Limits()) == other);
  const absl::Status moved = source->Fetch(other, nullptr, Limits()).status();
  CHECK(absl::IsUnavailable(moved));
  CHECK(absl::StrContains(moved.message(), "the channel moved on"));
  channels.Write("stable/nixexprs.tar.xz", "no tarball");
  const absl::Status damaged = source->Fetch(other, nullptr, Limits()).status();
  CHECK(absl::IsUnavailable(damaged));
  CHECK(absl::StrContains(damaged.message(), "unpack "));
}

TEST_CASE("A channel source obeys deadline and cancellation", "[nix][channel_source]") {
  const ChannelServer channels;
  const testing::TemporaryDirectory cache;
  CallLimits limits;
  limits.deadline = absl::Now() - absl::Seconds(1);
  std::stop_source stop;
  stop.request_stop();
  CallLimits stopped;
  stopped.stop = stop.get_token();
  // A server that accepts and never answers would do the same; the limits are checked before each
  // wait.
  CHECK(absl::IsDeadlineExceeded(
      channels.Source(cache.path())->ResolveTag("latest", limits).status()));
  CHECK(absl::IsCancelled(channels.Source(cache.path())->ResolveTag("latest", stopped).status()));
}

}  // namespace
}  // namespace stowage
