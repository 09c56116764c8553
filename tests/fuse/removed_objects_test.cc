#include "fuse/removed_objects.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

constexpr uint64_t kUnknown = 0;  // in place of no number
constexpr absl::Duration kLongEnough = absl::Seconds(20);

// A state directory and what is told of it.
class Fixture {
 public:
  explicit Fixture(bool with_objects) {
    if (with_objects) MakeObjects();
    auto state = OpenAt(AT_FDCWD, directory_.path(), O_PATH | O_DIRECTORY);
    REQUIRE_OK(state);
    auto watch = RemovedObjects::Watch(*std::move(state), [this](std::optional<uint64_t> number) {
      const absl::MutexLock lock(&mutex_);
      told_.push_back(number.value_or(kUnknown));
    });
    REQUIRE_OK(watch);
    watch_ = *std::move(watch);
  }

  void MakeObjects() { REQUIRE(std::filesystem::create_directory(directory_.Join("objects"))); }
  void RemoveObjects() { REQUIRE(std::filesystem::remove_all(directory_.Join("objects")) > 0); }
  void Add(const std::string& name) { std::ofstream(Object(name)) << "x"; }
  void Remove(const std::string& name) { REQUIRE(::unlink(Object(name).c_str()) == 0); }
  void Rename(const std::string& from, const std::string& to) {
    REQUIRE(::rename(Object(from).c_str(), Object(to).c_str()) == 0);
  }

  // What was told until now, once it is `count` numbers.
  std::vector<uint64_t> Told(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return told_.size() >= count; };
    CHECK(mutex_.AwaitWithTimeout(absl::Condition(&enough), kLongEnough));
    return told_;
  }

 private:
  std::string Object(const std::string& name) { return directory_.Join("objects/" + name); }

  testing::TemporaryDirectory directory_;
  absl::Mutex mutex_;
  std::vector<uint64_t> told_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<RemovedObjects> watch_;  // last: its thread uses the members above
};

TEST_CASE("RemovedObjects tells the numbers of removed index files and of no others",
          "[fuse][removed_objects]") {
  Fixture fixture(true);
  for (const char* name : {"7", "12.tmp", "008", "x", "9"}) fixture.Add(name);
  fixture.Rename("12.tmp", "12");
  for (const char* name : {"7", "008", "x", "9", "12"}) fixture.Remove(name);
  CHECK(fixture.Told(3) == std::vector<uint64_t>{7, 9, 12});
}

TEST_CASE("RemovedObjects goes on when the directory is made later or anew",
          "[fuse][removed_objects]") {
  Fixture fixture(false);
  fixture.MakeObjects();
  CHECK(fixture.Told(1) == std::vector<uint64_t>{kUnknown});
  fixture.Add("3");
  fixture.RemoveObjects();
  fixture.MakeObjects();
  CHECK(fixture.Told(3) == std::vector<uint64_t>{kUnknown, 3, kUnknown});
  fixture.Add("4");
  fixture.Remove("4");
  CHECK(fixture.Told(4) == std::vector<uint64_t>{kUnknown, 3, kUnknown, 4});
}

}  // namespace
}  // namespace stowage
