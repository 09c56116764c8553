#include "fuse/lru_cache.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

std::shared_ptr<const int> Value(int value) { return std::make_shared<const int>(value); }

TEST_CASE("LruCache drops what was used longest ago", "[fuse][lru_cache]") {
  LruCache<int> cache(2, 1000);
  cache.Put(1, Value(10), 0);
  cache.Put(2, Value(20), 0);
  REQUIRE(cache.Get(1) != nullptr);
  cache.Put(3, Value(30), 0);
  CHECK(cache.Get(2) == nullptr);
  REQUIRE(cache.Get(1) != nullptr);
  CHECK(*cache.Get(1) == 10);
  CHECK(*cache.Get(3) == 30);
}

TEST_CASE("LruCache keeps within its cost but never refuses one value", "[fuse][lru_cache]") {
  LruCache<int> cache(100, 10);
  cache.Put(1, Value(1), 6);
  cache.Put(2, Value(2), 4);
  CHECK(cache.size() == 2);
  cache.Put(3, Value(3), 1);
  CHECK(cache.Get(1) == nullptr);
  CHECK(cache.size() == 2);
  cache.Put(4, Value(4), 50);
  CHECK(cache.size() == 1);
  CHECK(cache.Get(4) != nullptr);
  cache.Remove(4);
  cache.Put(5, Value(5), 10);  // the cost of 4 is given back
  cache.Put(6, Value(6), 0);
  CHECK(cache.size() == 2);
}

TEST_CASE("an evicted value lives as long as somebody uses it", "[fuse][lru_cache]") {
  LruCache<int> cache(1, 1000);
  const auto used = cache.Put(1, Value(10), 0);
  cache.Put(2, Value(20), 0);
  CHECK(cache.Get(1) == nullptr);
  CHECK(*used == 10);
}

TEST_CASE("RemoveIf takes away what fulfils its condition, and its cost", "[fuse][lru_cache]") {
  LruCache<int> cache(10, 100);
  for (uint64_t key = 1; key <= 4; ++key) cache.Put(key, Value(static_cast<int>(key)), 25);
  cache.RemoveIf([](uint64_t key) { return key % 2 == 0; });
  CHECK(cache.size() == 2);
  CHECK(cache.Get(2) == nullptr);
  CHECK(*cache.Get(3) == 3);
  cache.Put(5, Value(5), 50);  // fits: nothing is evicted
  CHECK(cache.size() == 3);
  cache.Put(2, Value(2), 0);
  CHECK(cache.Get(2) != nullptr);
}

TEST_CASE("of two values put under one key the first stays", "[fuse][lru_cache]") {
  LruCache<int> cache(10, 1000);
  cache.Put(1, Value(10), 5);
  CHECK(*cache.Put(1, Value(11), 5) == 10);
  CHECK(cache.size() == 1);
}

}  // namespace
}  // namespace stowage
