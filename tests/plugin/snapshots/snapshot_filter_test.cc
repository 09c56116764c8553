#include "plugin/snapshots/snapshot_filter.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

Snapshot Example() {
  Snapshot snapshot;
  snapshot.name = "k8s.io/7/sha256:ab";
  snapshot.parent = "k8s.io/6/with \"quotes\", blanks";
  snapshot.kind = SnapshotKind::kCommitted;
  snapshot.labels = {
      {"containerd.io/snapshot.ref", "sha256:ab"}, {"a.b", "x,y"}, {"caf\u00e9", "v"}};
  return snapshot;
}

TEST_CASE("SnapshotFilter matches as containerd's filters do", "[plugin][snapshot_filter]") {
  const auto [text, want] = GENERATE(table<std::string, bool>({
      {"", true},
      {"name", true},
      {"parent", true},
      {"nothing", false},
      {"labels", false},
      {"name==k8s.io/7/sha256:ab", true},
      {"name==k8s.io/7/sha256:a", false},
      {"name != other", true},
      {"name!=k8s.io/7/sha256:ab", false},
      {"kind==committed", true},
      {"kind==active", false},
      {"kind~=^comm", true},
      {"nothing==\"\"", false},  // absent is not the empty text ...
      {"nothing!=x", true},      // ... but differs from every text
      {"nothing~=x", false},
      {"parent==\"k8s.io/6/with \\\"quotes\\\", blanks\"", true},
      {"labels.\"containerd.io/snapshot.ref\"==sha256:ab,parent~=^k8s", true},
      {"labels.\"containerd.io/snapshot.ref\"==sha256:ab,parent==\"\"", false},
      {"labels.a.b==\"x,y\"", true},
      {"labels.\"a.b\"==\"x,y\"", true},
      {"labels.a.b", true},
      {"labels.a", false},
      {"labels.\"caf\\u00e9\"==v", true},
      {"labels.\"caf\\xc3\\xa9\"==\"\\166\"", true},
      {" name ~= 7/sha , kind == committed ", true},
      {"name~=/^k8s\\\\.io/", true},
      {"name~=|^k8s\\\\.io/|", true},
      {"name~=\"^k8s[.]io/[0-9]+/sha256:\"", true},
      {"name~=^$", false},
  }));
  CAPTURE(text);
  const auto filter = SnapshotFilter::Parse(text);
  REQUIRE_OK(filter);
  CHECK(filter->Matches(Example()) == want);
}

TEST_CASE("SnapshotFilter tells where a filter is wrong", "[plugin][snapshot_filter]") {
  const std::string text =
      GENERATE(as<std::string>(), ",", "name==", "name=x", "name=", "==x", "name==a b",
               "name==\"open", "name==\"\\q\"", "name==/x/", "name~=\"(\"", "name,", "name,,name",
               "name.", "labels.\"x", "name===x", "name==\"\\xg0\"", "name==\"\\777\"",
               "name==\"\\ud800\"", "name==\"\\U00110000\"", "n\u00e4me", "name==\"\\",
               "name==\"a\nb\"", " ", "-", "name!", "name~");
  CAPTURE(text);
  const auto filter = SnapshotFilter::Parse(text);
  CHECK(absl::IsInvalidArgument(filter.status()));
  CHECK(std::string(filter.status().message()).find("byte ") != std::string::npos);
}

TEST_CASE("SnapshotFilter survives every short text over its own alphabet",
          "[plugin][snapshot_filter]") {
  const std::string alphabet("n.,=!~\"/|\\x7 \0\xc3", 15);
  const Snapshot snapshot = Example();
  size_t parsed = 0;
  for (size_t i = 0; i < 15 * 15 * 15 * 15; ++i) {
    std::string text;
    for (size_t rest = i, digit = 0; digit < 4; ++digit, rest /= 15) text += alphabet[rest % 15];
    const auto filter = SnapshotFilter::Parse(text);
    if (!filter.ok()) continue;
    ++parsed;
    (void)filter->Matches(snapshot);  // must not crash; the answer is looked at elsewhere
  }
  CHECK(parsed > 0);
}

TEST_CASE("SnapshotFilter matches a costly expression in linear time",
          "[plugin][snapshot_filter]") {
  Snapshot snapshot;
  snapshot.name = std::string(5000, 'a');
  const auto filter = SnapshotFilter::Parse("name~=\"^(a+)+$b\"");
  REQUIRE_OK(filter);
  CHECK_FALSE(filter->Matches(snapshot));
}

}  // namespace
}  // namespace stowage
