#include "fuse/crash_back_off.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("CrashBackOff waits longer with every failure in a row, a second at most", "[fuse]") {
  CrashBackOff back_off;
  CHECK(back_off.pause() == absl::ZeroDuration());
  absl::Duration last;
  for (int failures = 1; failures <= 100; ++failures) {
    back_off.Ended(absl::Milliseconds(1));
    const absl::Duration pause = back_off.pause();
    CHECK(pause >= last);
    if (failures == 1) CHECK(pause == absl::ZeroDuration());
    if (failures == 2) CHECK(pause == absl::Milliseconds(20));
    last = pause;
  }
  CHECK(last == absl::Seconds(1));
  back_off.Ended(CrashBackOff::kShortLife);
  CHECK(back_off.pause() == absl::ZeroDuration());
  back_off.Ended(-absl::InfiniteDuration());  // it never worked
  back_off.Ended(-absl::InfiniteDuration());
  CHECK(back_off.pause() == absl::Milliseconds(20));
}

}  // namespace
}  // namespace stowage
