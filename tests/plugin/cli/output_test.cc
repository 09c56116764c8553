#include "plugin/cli/output.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

using nlohmann::json;

v1::ResolvedImage Image() {
  v1::ResolvedImage image;
  image.set_name("shell/git");
  image.set_tag("latest");
  image.set_source("channel nixos-24.11");
  image.set_revision("0123");
  image.set_platform("linux/amd64");
  image.set_manifest_digest("sha256:aa");
  image.set_config_digest("sha256:bb");
  image.set_chain_id("sha256:cc");
  v1::Layer& layer = *image.add_layers();
  layer.set_diff_id("sha256:d1");
  layer.set_size_bytes(1 << 20);
  layer.add_store_paths("abc-git");
  layer.add_store_paths("def-zlib");
  v1::Layer& profile = *image.add_layers();
  profile.set_diff_id("sha256:d2");
  profile.set_size_bytes(512 << 10);
  image.set_store_path_count(2);
  image.set_nar_size_bytes(1000);
  image.add_warnings("tag is old");
  return image;
}

TEST_CASE("ImageToJson has the documented keys", "[cli][output]") {
  const json want = {{"name", "shell/git"},
                     {"tag", "latest"},
                     {"source", "channel nixos-24.11"},
                     {"revision", "0123"},
                     {"platform", "linux/amd64"},
                     {"manifest_digest", "sha256:aa"},
                     {"image_id", "sha256:bb"},
                     {"chain_id", "sha256:cc"},
                     {"layer_count", 2},
                     {"size_bytes", 1572864},
                     {"store_path_count", 2},
                     {"nar_size_bytes", 1000},
                     {"from_cache", false},
                     {"warnings", {"tag is old"}},
                     {"promised_path_count", 0},
                     {"provisional", false}};
  const std::string text = ImageToJson(Image(), false);
  CHECK(json::parse(text) == want);
  CHECK(text.back() == '\n');
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);

  const json layers = json::parse(ImageToJson(Image(), true))["layers"];
  CHECK(layers ==
        json::array(
            {{{"diff_id", "sha256:d1"},
              {"size_bytes", 1048576},
              {"store_paths", {"abc-git", "def-zlib"}}},
             {{"diff_id", "sha256:d2"}, {"size_bytes", 524288}, {"store_paths", json::array()}}}));
}

TEST_CASE("Lists in JSON are lists when they are empty", "[cli][output]") {
  v1::ResolvedImage image;
  CHECK(json::parse(ImageToJson(image, true))["warnings"] == json::array());
  CHECK(json::parse(ImageToJson(image, true))["layers"] == json::array());
}

TEST_CASE("PulledImageToJson tells names and whether the copy of others is used", "[cli][output]") {
  PulledImage pulled;
  pulled.image = Image();
  pulled.names = {"nix/git:latest", "nix.local/git:latest"};
  pulled.containerd_namespace = "k8s.io";
  pulled.snapshotter = "stowage";
  pulled.shadowed_by_ordinary_snapshot = true;
  const json object = json::parse(PulledImageToJson(pulled));
  CHECK(object["image"] == json::parse(ImageToJson(Image(), false)));
  CHECK(object["names"] == json({"nix/git:latest", "nix.local/git:latest"}));
  CHECK(object["namespace"] == "k8s.io");
  CHECK(object["snapshotter"] == "stowage");
  CHECK(object["shadowed_by_ordinary_snapshot"] == true);
  CHECK(object["replaced_ordinary_snapshot"] == false);
  CHECK(object.size() == 6);

  const auto warnings = WarningsOf(pulled);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0] == "tag is old");
  CHECK(absl::StrContains(warnings[1], "in namespace 'k8s.io'"));
  CHECK(absl::StrContains(warnings[1], "pull with --replace"));
  pulled.shadowed_by_ordinary_snapshot = false;
  CHECK(WarningsOf(pulled).size() == 1);
  CHECK_FALSE(absl::StrContains(PulledImageToText(pulled), "Replaced:"));
  pulled.replaced_ordinary_snapshot = true;
  CHECK(absl::StrContains(PulledImageToText(pulled), "Replaced:     the copy"));
}

TEST_CASE("StatusToJson and ErrorToJson have the documented shapes", "[cli][output]") {
  v1::StatusResponse status;
  status.set_version("0.1.0");
  status.set_fuse_mountpoint("/run/stowage/fs");
  status.set_fuse_mounted(true);
  status.set_fuse_data("passthrough");
  status.set_driver("overlay");
  status.set_driver_reason("configured");
  CHECK(json::parse(StatusToJson(status)) == json({{"version", "0.1.0"},
                                                   {"registry_address", ""},
                                                   {"snapshotter_socket", ""},
                                                   {"fuse_mountpoint", "/run/stowage/fs"},
                                                   {"fuse_mounted", true},
                                                   {"fuse_data", "passthrough"},
                                                   {"fuse_extended_attributes", true},
                                                   {"driver", "overlay"},
                                                   {"driver_reason", "configured"},
                                                   {"source", ""},
                                                   {"lazy_images", json::array()},
                                                   {"fetching", json::array()},
                                                   {"failed_fetches", json::array()},
                                                   {"wrong_records", json::array()}}));
  CHECK(json::parse(ErrorToJson(absl::NotFoundError("no package 'x'"))) ==
        json({{"error", {{"code", "NOT_FOUND"}, {"message", "no package 'x'"}}}}));
}

TEST_CASE("JSON stays valid whatever bytes a message has", "[cli][output]") {
  const std::string text = ErrorToJson(absl::InternalError("bad \xFF byte \x1b[2J"));
  const json parsed = json::parse(text, nullptr, false);
  REQUIRE_FALSE(parsed.is_discarded());
  CHECK(parsed["error"]["message"] == "bad \xEF\xBF\xBD byte \x1b[2J");
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("ImageToText is a table for people", "[cli][output]") {
  CHECK(ImageToText(Image(), false) ==
        "Name:         shell/git:latest\n"
        "Source:       channel nixos-24.11\n"
        "Revision:     0123\n"
        "Platform:     linux/amd64\n"
        "Manifest:     sha256:aa\n"
        "Image ID:     sha256:bb\n"
        "Layers:       2 (1.5 MiB)\n"
        "Store paths:  2 (1000 B)\n");
  CHECK(absl::EndsWith(ImageToText(Image(), true),
                       "\nLayer 1  sha256:d1  1.0 MiB\n  abc-git\n  def-zlib\n"
                       "\nLayer 2  sha256:d2  512.0 KiB\n  (profile)\n"));
}

TEST_CASE("StatusToText says what is off", "[cli][output]") {
  v1::StatusResponse status;
  status.set_version("0.1.0");
  status.set_source("channel");
  CHECK(StatusToText(status) ==
        "Version:      0.1.0\n"
        "Source:       channel\n"
        "Registry:     off\n"
        "Snapshotter:  off\n"
        "FUSE mount:   off\n");
  status.set_fuse_mountpoint("/run/stowage/fs");
  CHECK(absl::StrContains(StatusToText(status), "/run/stowage/fs (not mounted)"));
  status.set_fuse_mounted(true);
  CHECK(absl::EndsWith(StatusToText(status), "/run/stowage/fs\n"));  // of an older stowaged
  status.set_fuse_data("cached");
  CHECK(absl::EndsWith(StatusToText(status), "/run/stowage/fs (cached)\n"));
  status.set_fuse_without_extended_attributes(true);
  CHECK(absl::EndsWith(StatusToText(status), "/run/stowage/fs (cached, no extended attributes)\n"));
  CHECK(json::parse(StatusToJson(status))["fuse_extended_attributes"] == false);
  status.set_driver("fuse");
  status.set_driver_reason("configured");
  CHECK(absl::EndsWith(StatusToText(status), "\nDriver:       fuse (configured)\n"));
}

TEST_CASE("Status tells what is still to be fetched, and what could not be", "[cli][output]") {
  v1::StatusResponse status;
  v1::LazyImage& image = *status.add_lazy_images();
  image.set_name("shell/git");
  image.set_present(3);
  image.set_total(20);
  status.add_fetching("/nix/store/abc-git");
  v1::FailedFetch& failed = *status.add_failed_fetches();
  failed.set_store_path("/nix/store/def-zlib");
  failed.set_error("no cache has it");
  status.add_wrong_records("sha256:aa is sha256:bb");
  CHECK(absl::EndsWith(StatusToText(status),
                       "Lazy image:   shell/git: 3 of 20 store paths are there\n"
                       "Fetching:     /nix/store/abc-git\n"
                       "Not fetched:  /nix/store/def-zlib: no cache has it\n"
                       "Wrong record: sha256:aa is sha256:bb\n"));
  const json object = json::parse(StatusToJson(status));
  CHECK(object["lazy_images"] ==
        json::array({{{"name", "shell/git"}, {"present", 3}, {"total", 20}}}));
  CHECK(object["fetching"] == json::array({"/nix/store/abc-git"}));
  CHECK(object["wrong_records"] == json::array({"sha256:aa is sha256:bb"}));
  CHECK(object["failed_fetches"] ==
        json::array({{{"store_path", "/nix/store/def-zlib"}, {"error", "no cache has it"}}}));
}

TEST_CASE("Text from the daemon cannot command the terminal", "[cli][output]") {
  v1::ResolvedImage image = Image();
  image.set_source("\x1b[2Jevil\nName: other");
  CHECK(absl::StrContains(ImageToText(image, false), "Source:       evil Name: other\n"));
}

}  // namespace
}  // namespace stowage
