#include "base/selinux_context.h"

#include <string>

#include "absl/status/status.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("CheckSelinuxContext takes contexts and nothing that could end a mount option",
          "[base][selinux_context]") {
  const auto [context, right] = GENERATE(table<std::string, bool>({
      {"system_u:object_r:container_ro_file_t:s0", true},
      {"system_u:object_r:container_file_t:s0:c12,c345", true},
      {"system_u:object_r:container_file_t:s0-s15:c0.c1023,c1", true},
      {"user_u:object_r:some-type.t", true},
      {"", false},
      {"container_file_t", false},
      {"system_u:object_r", false},
      {"system_u:object_r:", false},
      {"system_u:object_r:t:", false},
      {"system_u:object_r:t,ro", false},
      {"system_u:object_r:t:s0\",suid,context=\"", false},
      {"system_u:object_r:t:s0\\", false},
      {"system_u:object_r:t:s0 ", false},
      {"system_u:object_r:t:s0\n", false},
      {"system_u:object_r:t:" + std::string(1024, 's'), false},
  }));
  CAPTURE(context);
  CHECK(absl::IsInvalidArgument(CheckSelinuxContext(context)) == !right);
}

}  // namespace
}  // namespace stowage
