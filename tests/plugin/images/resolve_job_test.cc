#include "plugin/images/resolve_job.h"

#include <thread>

#include "base/sha256.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

ResolveProgress Event(uint64_t number) {
  ResolveProgress progress;
  progress.phase = ResolveProgress::Phase::kHash;
  progress.done = number;
  return progress;
}

ResolvedImage Image() {
  const Digest digest = Sha256("x");
  return {{1, digest, "git", digest, digest, digest, {}}, "latest", "", false, {}};
}

TEST_CASE("ResolveJob gives every reader all events and then the end", "[plugin][resolve_job]") {
  ResolveJob job;
  job.Report(Event(1));
  uint64_t early = 0, late = 0;
  std::vector<ResolveProgress> events;
  CHECK_FALSE(job.Next(early, absl::Now(), events));
  REQUIRE(events.size() == 1);
  CHECK_FALSE(job.Next(early, absl::Now(), events));
  CHECK(events.empty());
  job.Report(Event(2));
  job.Finish(Image());
  CHECK(job.Next(early, absl::InfiniteFuture(), events));
  REQUIRE(events.size() == 1);
  CHECK(events[0].done == 2);
  CHECK(job.Next(late, absl::InfiniteFuture(), events));
  CHECK(events.size() == 2);
  CHECK(job.result()->image.name == "git");
}

TEST_CASE("ResolveJob forgets old events for readers that are slow", "[plugin][resolve_job]") {
  ResolveJob job;
  for (uint64_t i = 0; i < 5000; ++i) job.Report(Event(i));
  uint64_t cursor = 10;
  std::vector<ResolveProgress> events;
  job.Next(cursor, absl::Now(), events);
  CHECK(events.size() == 1000);
  CHECK(events.back().done == 4999);
  CHECK(cursor == 5000);
}

TEST_CASE("ResolveJob calls back everybody once, before or after its end",
          "[plugin][resolve_job]") {
  ResolveJob job;
  int calls = 0;
  const auto count = [&](const ResolveJob::Result& result) {
    calls += absl::IsNotFound(result.status()) ? 1 : 100;
  };
  job.OnFinished(count);
  CHECK(calls == 0);
  job.Finish(absl::NotFoundError("nix/nothing"));
  CHECK(calls == 1);
  job.OnFinished(count);
  CHECK(calls == 2);
}

TEST_CASE("ResolveJob wakes a reader in another thread", "[plugin][resolve_job]") {
  ResolveJob job;
  std::thread writer([&] { job.Finish(Image()); });
  uint64_t cursor = 0;
  std::vector<ResolveProgress> events;
  CHECK(job.Next(cursor, absl::Now() + absl::Seconds(20), events));
  writer.join();
}

}  // namespace
}  // namespace stowage
