#include "plugin/setup/toml_edit.h"

#include "absl/strings/match.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

const TomlPath kCri = {"plugins", "io.containerd.grpc.v1.cri", "containerd"};

TEST_CASE("SetTomlString adds a key below the table's own line", "[setup][toml_edit]") {
  const auto text = SetTomlString(
      "# mine\n"
      "[plugins]\n"
      "  [plugins.'io.containerd.grpc.v1.cri'.containerd]  # kept\n"
      "    no_pivot = false\n"
      "[other]\n",
      kCri, "snapshotter", "stowage");
  REQUIRE_OK(text);
  CHECK(*text ==
        "# mine\n"
        "[plugins]\n"
        "  [plugins.'io.containerd.grpc.v1.cri'.containerd]  # kept\n"
        "    snapshotter = \"stowage\"\n"
        "    no_pivot = false\n"
        "[other]\n");
}

TEST_CASE("SetTomlString replaces a value and nothing else of its line", "[setup][toml_edit]") {
  const auto text = SetTomlString("[a]\n  é = 'ü'; \n", {"a"}, "k", "v");
  CHECK(text.status().code() == absl::StatusCode::kInvalidArgument);
  const auto replaced =
      SetTomlString("[a]\n  'é' = 'ü'\n  k   = 'old' # why\n  z = 1\n", {"a"}, "k", "n\"w");
  REQUIRE_OK(replaced);
  CHECK(*replaced == "[a]\n  'é' = 'ü'\n  k   = \"n\\\"w\" # why\n  z = 1\n");
}

TEST_CASE("SetTomlString leaves a text that has the value byte for byte", "[setup][toml_edit]") {
  const std::string text = "[a]\nk = 'v'";
  CHECK(*SetTomlString(text, {"a"}, "k", "v") == text);
}

TEST_CASE("SetTomlString appends a table that is missing or has no line", "[setup][toml_edit]") {
  auto [before, after] = GENERATE(
      table<std::string, std::string>({{"", "[a.b]\n  k = \"v\"\n"},
                                       {"x = 1", "x = 1\n\n[a.b]\n  k = \"v\"\n"},
                                       {"[a]\ny = 1\n", "[a]\ny = 1\n\n[a.b]\n  k = \"v\"\n"},
                                       {"[a.b.c]\n", "[a.b.c]\n\n[a.b]\n  k = \"v\"\n"}}));
  const auto text = SetTomlString(before, {"a", "b"}, "k", "v");
  REQUIRE_OK(text);
  CHECK(*text == after);
}

TEST_CASE("SetTomlString is not taken in by a table's line inside a string", "[setup][toml_edit]") {
  const auto text = SetTomlString("s = '''\n[a]\n'''\n[a]\nx = 1\n", {"a"}, "k", "v");
  CHECK(text.status().code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("SetTomlString refuses what it cannot edit", "[setup][toml_edit]") {
  auto [before, word] = GENERATE(table<std::string, std::string>({
      {"a = { x = 1 }\n", "a.k = \"v\""},        // an inline table is closed
      {"a = 5\n", "is not a table"},             //
      {"a = [ { x = 1 } ]\n", "is not a table"}  // a list
  }));
  const auto text = SetTomlString(before, {"a"}, "k", "v");
  CHECK(text.status().code() == absl::StatusCode::kFailedPrecondition);
  INFO(text.status().message());
  CHECK(absl::StrContains(text.status().message(), word));
}

TEST_CASE("AppendTomlString makes the list, or adds behind its last element",
          "[setup][toml_edit]") {
  auto [before, after] = GENERATE(
      table<std::string, std::string>({{"", "l = [\"x\"]\n"},
                                       {"# head\n\nversion = 2 # two\nroot = '/r'\n",
                                        "# head\n\nversion = 2 # two\nl = [\"x\"]\nroot = '/r'\n"},
                                       {"# head\n[t]\n", "# head\nl = [\"x\"]\n[t]\n"},
                                       {"l = []\n", "l = [\"x\"]\n"},
                                       {"l = [ 'a' ]\n", "l = [ 'a', \"x\" ]\n"},
                                       {"l = [\n  'a', # first\n  'b', # last\n]\n",
                                        "l = [\n  'a', # first\n  'b', \"x\", # last\n]\n"}}));
  const auto text = AppendTomlString(before, {}, "l", "x");
  REQUIRE_OK(text);
  CHECK(*text == after);
}

TEST_CASE("AppendTomlString makes the list in a table, or adds to it", "[setup][toml_edit]") {
  auto [before, after] = GENERATE(table<std::string, std::string>(
      {{"", "[t.u]\n  l = [\"x\"]\n"},
       {"[t.u]\n  a = 1\n[v]\n", "[t.u]\n  l = [\"x\"]\n  a = 1\n[v]\n"},
       {"l = ['r']\n[t.u]\nl = ['a'] # mine\n", "l = ['r']\n[t.u]\nl = ['a', \"x\"] # mine\n"}}));
  const auto text = AppendTomlString(before, {"t", "u"}, "l", "x");
  REQUIRE_OK(text);
  CHECK(*text == after);
}

TEST_CASE("AppendTomlString refuses what is no list", "[setup][toml_edit]") {
  CHECK(AppendTomlString("l = 1\n", {}, "l", "x").status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("AppendTomlTable adds behind all others", "[setup][toml_edit]") {
  const TomlPath path = {"plugins", "io.containerd.transfer.v1.local", "unpack_config"};
  const auto text = AppendTomlTable(
      "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n  snapshotter = 'zfs'\n[z]\n",
      path, {{"platform", "linux/amd64"}, {"snapshotter", "stowage"}});
  REQUIRE_OK(text);
  CHECK(*text ==
        "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n  snapshotter = 'zfs'\n[z]\n"
        "\n[[plugins.\"io.containerd.transfer.v1.local\".unpack_config]]\n"
        "  platform = \"linux/amd64\"\n  snapshotter = \"stowage\"\n");
  CHECK_FALSE(AppendTomlTable("a = [ { x = 1 } ]\n", {"a"}, {{"k", "v"}}).ok());
}

TEST_CASE("ParseToml names file, line and column", "[setup][toml_json]") {
  const auto parsed = ParseToml("a = 1\nb = \n", "/etc/x.toml");
  CHECK(parsed.status().code() == absl::StatusCode::kInvalidArgument);
  INFO(parsed.status().message());
  CHECK(absl::StartsWith(parsed.status().message(), "/etc/x.toml:2:"));
}

}  // namespace
}  // namespace stowage
