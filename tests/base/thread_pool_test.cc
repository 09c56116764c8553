#include "base/thread_pool.h"

#include <atomic>

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
