#include "plugin/config/config.h"

#include "base/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

const std::string kSource = "[source]\nkind = \"path\"\nlocation = \"/set\"\n";

TEST_CASE("ParseConfig has a default for every key but the source", "[plugin][config]") {
  const auto config = ParseConfig(kSource, "test.toml");
  REQUIRE_OK(config);
  CHECK(config->registry_address == "127.0.0.1:5080");
  CHECK(config->control_socket == "/run/stowage/control.sock");
  CHECK(config->layering.max_layers == 94);
  CHECK(config->always == std::vector<std::string>{"cacert", "iana-etc"});
  CHECK(config->tag_lifetime == absl::Seconds(60));
  CHECK(config->source.cache_directory == "/var/lib/stowage/cache/sources");
}

TEST_CASE("ParseConfig takes every key", "[plugin][config]") {
  const auto config = ParseConfig(R"(
[paths]
state = "/s"
gc_roots = "/g"
[control]
socket = ""
[snapshotter]
socket = "/run/x.sock"
driver = "auto"
[registry]
address = "0.0.0.0:80"
[fuse]
mountpoint = "/m/"
data = "auto"
extended_attributes = false
selinux_context = "system_u:object_r:container_ro_file_t:s0"
[overlay]
directory = "/run/o"
[source]
kind = "git"
location = "https://example.org/set"
default_ref = "main"
base_url = "http://127.0.0.1:1"
[packages]
always = []
shell = ["busybox"]
[layering]
strategy = "single"
max_layers = 20
min_layer_bytes = 65536
[nix]
program_directory = "/opt/nix/bin"
settings = ["sandbox=false"]
evaluation_timeout = "90s"
build_timeout = "1h"
concurrent_resolves = 2
[images]
tag_lifetime = "0s"
hold = "10m"
lazy = true
fetch_timeout = "3m"
record_source = "https://stowage.example:8443"
record_ca_file = "/etc/ca.pem"
record_credentials_file = "/etc/credentials"
[log]
level = "debug"
)",
                                  "test.toml");
  REQUIRE_OK(config);
  CHECK(config->state_directory == "/s");
  CHECK(config->gc_roots_directory == "/g");
  CHECK(config->control_socket.empty());
  CHECK(config->snapshotter_socket == "/run/x.sock");
  CHECK(config->registry_address == "0.0.0.0:80");
  CHECK(config->fuse_mountpoint == "/m");
  CHECK(config->fuse_data == "auto");
  CHECK_FALSE(config->fuse_extended_attributes);
  CHECK(config->fuse_selinux_context == "system_u:object_r:container_ro_file_t:s0");
  CHECK(config->driver == DriverChoice::kAuto);
  CHECK(config->overlay_directory == "/run/o");
  CHECK(config->lazy);
  CHECK(config->fetch_timeout == absl::Minutes(3));
  CHECK(config->record_source == "https://stowage.example:8443");
  CHECK(config->record_ca_file == "/etc/ca.pem");
  CHECK(config->record_credentials_file == "/etc/credentials");
  CHECK(config->source.kind == PackageSourceKind::kGit);
  CHECK(config->source.location == "https://example.org/set");
  CHECK(config->source.git_default_ref == "main");
  CHECK(config->source.channel_base_url == "http://127.0.0.1:1");
  CHECK(config->always.empty());
  CHECK(config->shell == std::vector<std::string>{"busybox"});
  CHECK(config->layering.strategy == "single");
  CHECK(config->layering.max_layers == 20);
  CHECK(config->layering.min_layer_bytes == 65536);
  CHECK(config->nix.program_directory == "/opt/nix/bin");
  CHECK(config->nix.extra_settings == std::vector<std::string>{"sandbox=false"});
  CHECK(config->nix.work_directory == "/s/cache/nix");
  CHECK(config->evaluation_timeout == absl::Seconds(90));
  CHECK(config->build_timeout == absl::Hours(1));
  CHECK(config->concurrent_resolves == 2);
  CHECK(config->tag_lifetime == absl::ZeroDuration());
  CHECK(config->hold == absl::Minutes(10));
  CHECK(config->log_level == "debug");
}

TEST_CASE("ParseConfig names what is wrong and where", "[plugin][config]") {
  const auto [text, wanted] = GENERATE_COPY(table<std::string, std::string>({
      {"[regstry]\naddress = \"x\"\n" + kSource,
       "test.toml:1:1: unknown key 'regstry'; known are the tables [paths]"},
      {"[log]\nlevle = \"info\"\n" + kSource, "unknown key 'levle' in [log]; known are: level"},
      {"log = 1\n" + kSource, "'log' must be a table"},
      {"[fuse]\ndata = \"direct\"\n" + kSource, "fuse.data must be \"cached\", \"passthrough\""},
      {"[fuse]\nextended_attributes = \"no\"\n" + kSource,
       "fuse.extended_attributes must be true or false"},
      {"[fuse]\nselinux_context = \"s0,ro\"\n" + kSource,
       "fuse.selinux_context is wrong: 's0,ro' is no SELinux context"},
      {"[log]\nlevel = 3\n" + kSource, "test.toml:2:9: log.level must be \"debug\""},
      {"[layering]\nmax_layers = 0\n" + kSource,
       "layering.max_layers must be a whole number from 1 to 120"},
      {"[layering]\nmax_layers = \"9\"\n" + kSource, "layering.max_layers must be a whole number"},
      {"[layering]\nstrategy = \"best\"\n" + kSource, "reuse-tail"},
      {"[images]\nhold = \"1 hour\"\n" + kSource, "images.hold must be a time"},
      {"[images]\nhold = \"1s\"\n" + kSource, "images.hold must be a time of at least 10s"},
      {"[images]\ntag_lifetime = \"-1s\"\n" + kSource,
       "images.tag_lifetime must be a time of at least 0"},
      {"[images]\nhold = \"inf\"\n" + kSource, "images.hold must be a time"},
      {"[images]\nrecord_source = \"stowage.example\"\n" + kSource,
       "images.record_source must be a URL like"},
      {"[images]\nrecord_source = \"http://stowage.example\"\n" + kSource,
       "images.record_source must be https"},
      {"[images]\nrecord_source = 1\n" + kSource, "images.record_source must be a URL like"},
      {"[images]\nrecord_ca_file = \"/x\"\n" + kSource,
       "are for images.record_source, which is missing"},
      {"[images]\nrecord_credentials_file = \"/x\"\n" + kSource,
       "are for images.record_source, which is missing"},
      {"[\"\"]\n" + kSource, "test.toml:1:1: unknown key ''; known are the tables [paths]"},
      {"[packages]\nalways = [\"\"]\n" + kSource, "packages.always must be a list of strings"},
      {"[paths]\nstate = \"/a:b\"\n" + kSource, "paths.state must not contain"},
      {"[paths]\nstate = \"relative\"\n" + kSource, "paths.state must be an absolute path"},
      {"[paths]\nstate = \"\"\n" + kSource, "paths.state must be an absolute path"},
      {"[packages]\nalways = [1]\n" + kSource, "packages.always must be a list of strings"},
      {"[source]\nkind = \"svn\"\nlocation = \"/x\"\n",
       "source.kind must be \"path\", \"git\" or \"channel\""},
      {"[source]\nkind = \"path\"\n", "source.location is missing"},
      {"", "source.location is missing"},
      {"[source\n", "test.toml:1:8: "},
  }));
  const auto config = ParseConfig(text, "test.toml");
  CHECK(absl::IsInvalidArgument(config.status()));
  INFO(config.status().message());
  CHECK(config.status().message().find(wanted) != absl::string_view::npos);
}

TEST_CASE("LoadConfig says how to name another file", "[plugin][config]") {
  const testing::TemporaryDirectory directory;
  const auto missing = LoadConfig(directory.Join("none"));
  CHECK(absl::IsNotFound(missing.status()));
  CHECK(missing.status().message().find("--config") != absl::string_view::npos);
  REQUIRE_OK(WriteFileAtomically(directory.Join("config.toml"), kSource));
  CHECK(LoadConfig(directory.Join("config.toml")).ok());
}

}  // namespace
}  // namespace stowage
