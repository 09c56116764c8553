#include "plugin/setup/unified_diff.h"

#include "tests/support/catch.h"

namespace stowage {
namespace {

TEST_CASE("UnifiedDiff of equal texts is empty", "[setup][unified_diff]") {
  CHECK(UnifiedDiff("a\nb\n", "a\nb\n", "x", "y").empty());
}

TEST_CASE("UnifiedDiff of a new file", "[setup][unified_diff]") {
  CHECK(UnifiedDiff("", "a\nb\n", "/dev/null", "y") ==
        "--- /dev/null\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n");
}

TEST_CASE("UnifiedDiff shows three lines around a change", "[setup][unified_diff]") {
  CHECK(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "x", "y") ==
        "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST_CASE("UnifiedDiff parts distant changes and joins near ones", "[setup][unified_diff]") {
  CHECK(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "2\n3\n4\n5\n6\n7\n8\n9\n10\n", "x", "y") ==
        "--- x\n+++ y\n@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n@@ -7,3 +6,4 @@\n 7\n 8\n 9\n+10\n");
  CHECK(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n", "2\n3\n4\n5\n6\n7\n8\n", "x", "y") ==
        "--- x\n+++ y\n@@ -1,7 +1,7 @@\n-1\n 2\n 3\n 4\n 5\n 6\n 7\n+8\n");
}

}  // namespace
}  // namespace stowage
