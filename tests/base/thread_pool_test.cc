#include "base/thread_pool.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("ThreadPool runs everything that was submitted before it goes", "[base][thread_pool]") {
  std::atomic<int> done = 0;
  {
    ThreadPool pool(3);
    for (int i = 0; i < 100; ++i) pool.Submit([&] { ++done; });
  }
  CHECK(done == 100);
}

TEST_CASE("ThreadPool makes a thread for work that finds none idle", "[base][thread_pool]") {
  ThreadPool pool(2);
  absl::Notification second_runs;
  absl::Notification first_ends;
  pool.Submit([&] {
    second_runs.WaitForNotification();
    first_ends.Notify();
  });
  pool.Submit([&] { second_runs.Notify(); });
  CHECK(first_ends.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_CASE("ThreadPool with one thread keeps the order", "[base][thread_pool]") {
  std::vector<int> order;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 10; ++i) pool.Submit([&order, i] { order.push_back(i); });
  }
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

}  // namespace
}  // namespace stowage
