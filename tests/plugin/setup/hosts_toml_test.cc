#include "plugin/setup/hosts_toml.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

constexpr char kEndpoint[] = "http://127.0.0.1:5080";

TEST_CASE("The hosts.toml of our own names is ours alone", "[setup][hosts_toml]") {
  const auto file = ParseHostsFile(HostsTextForOwnName(kEndpoint), "hosts.toml");
  REQUIRE_OK(file);
  CHECK(file->server == kEndpoint);
  CHECK(file->has_host_table);
  REQUIRE(file->hosts.size() == 1);
  CHECK(file->hosts[0].url == kEndpoint);
  CHECK(IsOursAlone(*file, kEndpoint));
  CHECK_FALSE(IsOursAlone(*file, "http://127.0.0.1:5081"));
}

TEST_CASE("A hosts.toml that can lead elsewhere is not ours alone", "[setup][hosts_toml]") {
  const std::string text = GENERATE(
      std::string(""), "server = 'http://127.0.0.1:5080'\n",         // ignored by 1.6
      "[host.'http://127.0.0.1:5080']\n",                            // then the real host
      "server = ''\n[host.'http://127.0.0.1:5080']\n",               //
      "server = 'https://x.org'\n[host.'http://127.0.0.1:5080']\n",  //
      "server = 'https://127.0.0.1:5080'\n[host.'http://127.0.0.1:5080']\n",
      "server = '127.0.0.1:5080'\n[host.'http://127.0.0.1:5080']\n",  // https for containerd
      "server = 'http://127.0.0.1:5080'\n[host.'http://127.0.0.1:5080']\n[host.'https://x.org']\n",
      "server = 'http://127.0.0.1:5080'\n[host.'http://127.0.0.1:5080']\ncapabilities = "
      "['pull']\n");
  const auto file = ParseHostsFile(text, "hosts.toml");
  REQUIRE_OK(file);
  INFO(text);
  CHECK_FALSE(IsOursAlone(*file, kEndpoint));
}

TEST_CASE("An endpoint may be written in several ways", "[setup][hosts_toml]") {
  CHECK(IsOurEndpoint("http://localhost:5080/", kEndpoint));
  CHECK(IsOurEndpoint("http://127.0.0.1:5080/v2", kEndpoint));
  CHECK_FALSE(IsOurEndpoint("https://127.0.0.1:5080", kEndpoint));
  CHECK_FALSE(IsOurEndpoint("", kEndpoint));
}

TEST_CASE("Hosts are told in the order of the file", "[setup][hosts_toml]") {
  const auto file = ParseHostsFile(
      "[host.\"https://z.org\"]\n[host.'https://a.org']\ncapabilities = ['pull']\n", "hosts.toml");
  REQUIRE_OK(file);
  REQUIRE(file->hosts.size() == 2);
  CHECK(file->hosts[0].url == "https://z.org");
  CHECK(file->hosts[0].resolve);
  CHECK(file->hosts[1].url == "https://a.org");
  CHECK_FALSE(file->hosts[1].resolve);
}

TEST_CASE("The order of hosts is not known if one has no header", "[setup][hosts_toml]") {
  const std::string text =
      GENERATE(as<std::string>(),
               "host.\"https://mirror\".capabilities = ['pull', 'resolve']\n"
               "[host.\"http://127.0.0.1:5080\"]\n",
               "[host]\n\"https://mirror\" = { capabilities = ['pull', 'resolve'] }\n"
               "[host.\"http://127.0.0.1:5080\"]\n",
               "[host.\"http://127.0.0.1:5080\"] # before \"https://mirror\"\n"
               "[host.\"https://mirror\".header]\nx = 'y'\n",
               "x = '''\n[host.'http://127.0.0.1:5080']\n'''\n[host.'https://mirror']\n"
               "[host.'http://127.0.0.1:5080']\n");
  INFO(text);
  const auto file = ParseHostsFile(text, "hosts.toml");
  REQUIRE_OK(file);
  CHECK(file->hosts.size() == 2);
  CHECK_FALSE(file->order_known);
  CHECK(WithEndpointFirst(text, kEndpoint).status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("A header counts in every form, and what a comment says does not",
          "[setup][hosts_toml]") {
  const auto file = ParseHostsFile(
      "  [ host . \"https:\\u002f/b.org\" ] # not 'https://a.org'\n[host.'https://a.org']\n",
      "hosts.toml");
  REQUIRE_OK(file);
  CHECK(file->order_known);
  REQUIRE(file->hosts.size() == 2);
  CHECK(file->hosts[0].url == "https://b.org");
}

TEST_CASE("One host needs no header", "[setup][hosts_toml]") {
  const std::string text = "host.'http://127.0.0.1:5080'.skip_verify = false\n";
  const auto edited = WithEndpointFirst(text, kEndpoint);
  REQUIRE_OK(edited);
  CHECK(*edited == text);
}

TEST_CASE("WithEndpointFirst puts us before every other host and keeps the rest",
          "[setup][hosts_toml]") {
  const std::string before =
      "server = 'https://registry-1.docker.io'\n# a mirror\n[host.'https://mirror.gcr.io']\n";
  const auto after = WithEndpointFirst(before, kEndpoint);
  REQUIRE_OK(after);
  CHECK(*after ==
        "server = 'https://registry-1.docker.io'\n# a mirror\n"
        "[host.\"http://127.0.0.1:5080\"]\n  capabilities = [\"pull\", \"resolve\"]\n\n"
        "[host.'https://mirror.gcr.io']\n");
  CHECK(*WithEndpointFirst(*after, kEndpoint) == *after);
  CHECK(*WithEndpointFirst("server = 'https://x'", kEndpoint) ==
        "server = 'https://x'\n[host.\"http://127.0.0.1:5080\"]\n  capabilities = [\"pull\", "
        "\"resolve\"]\n");
}

TEST_CASE("WithEndpointFirst does not take the server for a host before us",
          "[setup][hosts_toml]") {
  const auto after = WithEndpointFirst("server = \"http://a\"\n[host.\"http://a\"]\n", kEndpoint);
  REQUIRE_OK(after);
  const auto file = ParseHostsFile(*after, "hosts.toml");
  REQUIRE_OK(file);
  REQUIRE(file->hosts.size() == 2);
  CHECK(file->hosts[0].url == kEndpoint);
  CHECK(file->hosts[1].url == "http://a");
}

TEST_CASE("WithEndpointFirst refuses a file that has us in the wrong place",
          "[setup][hosts_toml]") {
  const std::string text = GENERATE(
      std::string("[host.'https://x']\n[host.'http://127.0.0.1:5080']\n"),
      "[host.'http://127.0.0.1:5080']\ncapabilities = ['pull']\n",
      "host = { 'https://x' = { skip_verify = true } }\n",
      "host.'https://x'.capabilities = ['pull']\n", "[host]\n'https://x'.capabilities = ['pull']\n",
      "[host]\n'https://x' = { capabilities = ['pull'] }\n");
  INFO(text);
  CHECK(WithEndpointFirst(text, kEndpoint).status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace stowage
