#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "nix/evaluation.h"
#include "nix/image_reference.h"
#include "tests/nix/nix_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::EvaluateNames;
using Names = std::vector<std::string>;

absl::StatusOr<Evaluation> EvaluateSet(const std::string& set_path, Names names) {
  return NixEvaluator(testing::TestNixOptions())
      .Evaluate({set_path, "x86_64-linux", std::move(names), {}}, testing::TestLimits());
}

bool FirstLineContains(const absl::Status& status, absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(status.message(), '\n');
  UNSCOPED_INFO(status.ToString());
  return absl::StrContains(lines[0], text);
}

TEST_CASE("Evaluate describes a package", "[nix][evaluation]") {
  const auto evaluation = EvaluateNames({"hello"});
  REQUIRE_OK(evaluation);
  REQUIRE(evaluation->packages.size() == 1);
  const EvaluatedPackage& hello = evaluation->packages[0];
  CHECK(hello.name == "hello");
  CHECK(hello.attribute == Names{"hello"});
  CHECK(absl::StartsWith(hello.derivation, "/nix/store/"));
  CHECK(absl::EndsWith(hello.derivation, ".drv"));
  CHECK(hello.output == "out");
  CHECK(absl::StartsWith(hello.out_path.name(), "hello-"));
  CHECK(hello.main_program == "hello");
}

TEST_CASE("Evaluate finds nested attributes with upper case by lower-case names",
          "[nix][evaluation]") {
  const auto evaluation =
      EvaluateNames({"python3packages.requests", "haskellpackages.camelcasetool", "git.man"});
  REQUIRE_OK(evaluation);
  CHECK(evaluation->packages[0].attribute == Names{"python3Packages", "requests"});
  CHECK(evaluation->packages[1].attribute == Names{"haskellPackages", "camelCaseTool"});
  CHECK(evaluation->packages[2].output == "man");
}

TEST_CASE("Evaluate keeps the order and leaves out optional names that are missing",
          "[nix][evaluation]") {
  const auto evaluation = EvaluateNames({"jq", "hello"}, {"nosuchpackage", "cacert"});
  REQUIRE_OK(evaluation);
  REQUIRE(evaluation->packages.size() == 3);
  CHECK(evaluation->packages[0].name == "jq");
  CHECK(evaluation->packages[1].name == "hello");
  CHECK(evaluation->packages[2].name == "cacert");
}

TEST_CASE("Evaluate names everything that is missing, with similar names", "[nix][evaluation]") {
  const absl::Status status =
      EvaluateNames({"hello", "htpo", "python3packages.requestz", "no.such"}, {"neither"}).status();
  CHECK(absl::IsNotFound(status));
  CHECK(FirstLineContains(status, "'htpo' (did you mean 'htop'?)"));
  CHECK(FirstLineContains(
      status,
      "'python3packages.requestz' (no 'requestz' in python3Packages; did you mean "
      "'python3packages.requests'?)"));
  CHECK(FirstLineContains(status, "'no.such'"));
  CHECK_FALSE(absl::StrContains(status.message(), "neither"));
  CHECK_FALSE(absl::StrContains(status.message(), "'hello'"));
}

TEST_CASE("Evaluate refuses a name that means two attributes, and the escape chooses",
          "[nix][evaluation]") {
  const absl::Status status = EvaluateNames({"twins.sometool"}).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK(FirstLineContains(status, "twins.SomeTool (write twins.x--x53ome--x54ool)"));
  CHECK(FirstLineContains(status, "twins.someTool (write twins.some--x54ool)"));

  const auto reference = ImageReference::Parse("nix/twins.x--x53ome--x54ool");
  REQUIRE_OK(reference);
  const auto chosen = EvaluateNames(reference->packages());
  REQUIRE_OK(chosen);
  CHECK(chosen->packages[0].attribute == Names{"twins", "SomeTool"});
}

TEST_CASE("Evaluate says what a thing is that is no package", "[nix][evaluation]") {
  const auto [name, kind] = GENERATE(table<std::string, std::string>({
      {"tests.notaderivation", "a set of 1 attributes"},
      {"tests.function", "a function"},
      {"tests.string", "a string"},
      {"tests.number", "a int"},
      {"python3packages", "name one inside, as in 'python3packages.NAME'"},
  }));
  const absl::Status status = EvaluateNames({"hello", name}).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK(FirstLineContains(status, absl::StrCat("'", name, "' is not a package")));
  CHECK(FirstLineContains(status, kind));
}

TEST_CASE("Evaluate gives Nix's reason for what does not evaluate", "[nix][evaluation]") {
  const auto [name, reason] = GENERATE(table<std::string, std::string>({
      {"tests.evalthrow", "gone has been removed, as it was unmaintained"},
      {"tests.unfree", "has an unfree license"},
      {"tests.broken", "is marked as broken"},
      {"tests.evalabort", "this aborts"},
      {"tests.infinite", "infinite recursion"},
      {"tests.importfromderivation", "allow-import-from-derivation"},
  }));
  const absl::Status status = EvaluateNames({"hello", name, "jq"}).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(FirstLineContains(status, absl::StrCat("'", name, "' does not evaluate: ")));
  CHECK(FirstLineContains(status, reason));
  CHECK_FALSE(absl::StrContains(status.message(), "'hello'"));
}

TEST_CASE("Evaluate finds every bad name among several", "[nix][evaluation]") {
  const absl::Status status =
      EvaluateNames({"tests.infinite", "nosuchpackage", "tests.string", "tests.evalthrow"})
          .status();
  CHECK(absl::IsNotFound(status));
  for (const char* name :
       {"'nosuchpackage'", "'tests.string' is not a package", "'tests.infinite' does not evaluate",
        "'tests.evalthrow' does not evaluate"})
    CHECK(FirstLineContains(status, name));
}

TEST_CASE("Evaluate says that the set itself does not evaluate", "[nix][evaluation]") {
  const auto [content, reason] = GENERATE(table<std::string, std::string>({
      {"{ system }: { a = ", "syntax error"},
      {"{ system }: throw \"no luck\"", "no luck"},
      {"{ other }: { }", "without required argument 'other'"},
      {"[ 1 ]", "the package set is a list, not an attribute set"},
      {"import ./missing.nix", "missing.nix"},
  }));
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteFileAtomically(directory.Join("default.nix"), content));
  const absl::Status status = EvaluateSet(directory.path(), {"a", "b"}).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(FirstLineContains(status, absl::StrCat("package set ", directory.path())));
  CHECK(FirstLineContains(status, reason));
}

TEST_CASE("Evaluate reads the set's own directory and nothing else", "[nix][evaluation]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(MakeDirectories(directory.Join("a=b")));
  REQUIRE_OK(WriteFileAtomically(directory.Join("a=b/inside.nix"), "\"inside\""));
  REQUIRE_OK(WriteFileAtomically(directory.Join("outside.nix"), "\"outside\""));
  REQUIRE_OK(WriteFileAtomically(directory.Join("a=b/default.nix"), R"nix({ system }: {
    make = text: derivation { name = text; inherit system; builder = "/bin/sh"; };
    inside = derivation { name = import ./inside.nix; inherit system; builder = "/bin/sh"; };
    outside = derivation { name = import ../outside.nix; inherit system; builder = "/bin/sh"; };
    passwd = derivation { name = "p"; inherit system; builder = builtins.readFile "/etc/passwd"; };
    network = derivation { name = "n"; inherit system; builder = builtins.fetchurl "http://127.0.0.1:1/x"; };
    environment = derivation { name = "e-${builtins.getEnv "PATH"}"; inherit system; builder = "/bin/sh"; };
    lookup = derivation { name = "l"; inherit system; builder = <nixpkgs>; };
  })nix"));
  const std::string set = directory.Join("a=b");
  CHECK(EvaluateSet(set, {"inside"})->packages[0].out_path.name() == "inside");
  CHECK(EvaluateSet(set + "/default.nix", {"inside"}).ok());
  CHECK(EvaluateSet(set, {"environment"})->packages[0].out_path.name() == "e-");
  for (const char* name : {"outside", "passwd", "network", "lookup"}) {
    const absl::Status status = EvaluateSet(set, {name}).status();
    INFO(name << ": " << status.ToString());
    CHECK(absl::IsFailedPrecondition(status));
  }
}

TEST_CASE("Evaluate passes arguments and the system to the set", "[nix][evaluation]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteFileAtomically(directory.Join("default.nix"), R"nix({ system, config ? { } }: {
    it = derivation { name = "${system}-${toString (config.number or 0)}"; inherit system; builder = "/bin/sh"; };
    _1st = derivation { name = "first"; inherit system; builder = "/bin/sh"; };
    "a+b.c" = derivation { name = "escaped"; inherit system; builder = "/bin/sh"; };
  })nix"));
  NixOptions options = testing::TestNixOptions();
  options.set_arguments = R"({"config":{"number":7}})";
  const auto evaluation = NixEvaluator(options).Evaluate(
      {directory.path(), "aarch64-linux", {"it", "1st", "a--x2bb--x2ec"}, {}},
      testing::TestLimits());
  REQUIRE_OK(evaluation);
  CHECK(evaluation->packages[0].out_path.name() == "aarch64-linux-7");
  CHECK(evaluation->packages[1].attribute == Names{"_1st"});
  CHECK(evaluation->packages[2].attribute == Names{"a+b.c"});
  options.set_arguments = "[]";
  CHECK(absl::IsInvalidArgument(
      NixEvaluator(options)
          .Evaluate({directory.path(), "x", {"it"}, {}}, testing::TestLimits())
          .status()));
}

TEST_CASE("Evaluate ends at its deadline and when cancelled", "[nix][evaluation]") {
  const testing::TemporaryDirectory directory;
  REQUIRE_OK(WriteFileAtomically(directory.Join("default.nix"),
                                 "{ system }: let fib = n: if n < 2 then n else fib (n - 1) + fib "
                                 "(n - 2); in { slow = fib 60; }"));
  const EvaluationRequest request = {directory.path(), "x86_64-linux", {"slow"}, {}};
  CallLimits limits;
  const absl::Time start = absl::Now();
  limits.deadline = start + absl::Milliseconds(500);
  CHECK(absl::IsDeadlineExceeded(
      NixEvaluator(testing::TestNixOptions()).Evaluate(request, limits).status()));
  CHECK(absl::Now() - start < absl::Seconds(15));  // evaluation ignores SIGTERM
  std::stop_source stop;
  stop.request_stop();
  limits.deadline = absl::Now() + absl::Minutes(5);
  limits.stop = stop.get_token();
  CHECK(absl::IsCancelled(
      NixEvaluator(testing::TestNixOptions()).Evaluate(request, limits).status()));
}

TEST_CASE("Evaluate says that Nix is not there", "[nix][evaluation]") {
  NixOptions options;
  options.program_directory = "/nonexistent";
  const absl::Status status =
      NixEvaluator(options)
          .Evaluate({testing::TestPackageSet(), "x", {"hello"}, {}}, testing::TestLimits())
          .status();
  CHECK(absl::IsUnavailable(status));
  CHECK(FirstLineContains(status, "is Nix installed"));
}

}  // namespace
}  // namespace stowage
