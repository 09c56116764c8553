#include "plugin/snapshots/id_mapping.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

SnapshotLabels Labels(const std::string& uids, const std::string& gids) {
  return {{kUidMappingLabel, uids}, {kGidMappingLabel, gids}};
}

TEST_CASE("IdMappingOf reads containerd's labels", "[plugin][id_mapping]") {
  const auto mapping = IdMappingOf(Labels("0:100000:65536", "1:5:9,0:200000:1"));
  REQUIRE_OK(mapping);
  REQUIRE(mapping->has_value());
  CHECK(**mapping == IdMapping{"0:100000:65536", "1:5:9,0:200000:1", 100000, 200000});
  const auto all = IdMappingOf(Labels("0:0:4294967295", "0:1:4294967294"));
  REQUIRE_OK(all);
  CHECK((*all)->root_gid == 1);
  const auto none = IdMappingOf({{"containerd.io/snapshot.ref", "sha256:00"}});
  REQUIRE_OK(none);
  CHECK_FALSE(none->has_value());
}

TEST_CASE("IdMappingOf refuses what is no mapping of root", "[plugin][id_mapping]") {
  const std::string bad =
      GENERATE(as<std::string>(), "", "0:1", "0:1:2:3", "a:1:1", "0:1:0", "0:-1:5",
               "0:4294967295:1", "0:1:4294967295", "4294967295:5:1,0:1:1", "1:100000:5", "0:1:1,",
               "0:1:99999999999", "0:1:1,ro", "0:1:1\n1:2:3");
  const std::string good = "0:1:1";
  CHECK(absl::IsInvalidArgument(IdMappingOf(Labels(bad, good)).status()));
  CHECK(absl::IsInvalidArgument(IdMappingOf(Labels(good, bad)).status()));
}

TEST_CASE("IdMappingOf wants users and groups", "[plugin][id_mapping]") {
  SnapshotLabels labels = Labels("0:1:1", "0:1:1");
  labels.erase(GENERATE(as<std::string>(), kUidMappingLabel, kGidMappingLabel));
  CHECK(absl::IsInvalidArgument(IdMappingOf(labels).status()));
}

}  // namespace
}  // namespace stowage
