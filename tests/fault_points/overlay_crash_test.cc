// stowaged killed while it makes, shows and removes views that the kernel's overlayfs shows.
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "tests/fault_points/crash_world.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

using Views = std::unique_ptr<OverlayViews>;

absl::Status ShowTree(OverlayViews& views, int64_t number) {
  return views
      .Skeleton(number, []() -> absl::StatusOr<std::vector<std::string>> { return {{kTree}}; })
      .status();
}

// Everything that changes the state: a first start, views, their removal, the start after a reboot.
absl::Status Live(const OverlayNode& node) {
  {
    STOWAGE_ASSIGN_OR_RETURN(const Views views, OverlayViews::Open(node.Options()));
    for (const int64_t number : {8, 9}) STOWAGE_RETURN_IF_ERROR(ShowTree(*views, number));
    const auto wanted = []() -> absl::StatusOr<std::vector<int64_t>> {
      return std::vector<int64_t>{8};
    };
    STOWAGE_RETURN_IF_ERROR(views->RemoveUnneeded(wanted, {}).status());
    views->Drain();
  }
  const std::string generation = node.Path("state/overlay/current/generation");
  STOWAGE_ASSIGN_OR_RETURN(std::string text, ReadFile(generation));
  const size_t boot = text.find('\n') + 1;
  WriteFile(generation, text.replace(boot, text.find('\n', boot) - boot, "another boot"));
  STOWAGE_ASSIGN_OR_RETURN(const Views views, OverlayViews::Open(node.Options()));
  views->Drain();
  return absl::OkStatus();
}

TEST_CASE("A node whose stowaged was killed among its overlay views is whole at the next start",
          "[fault_points][overlay_redirect]") {
  std::set<std::string> died_at;
  for (int hit = 1;; ++hit) {
    OverlayNode node;
    const std::string point = DieAt(hit, [&] { return Live(node); });
    if (point.empty()) break;
    died_at.insert(point);
    INFO("died at " << point << ", hit " << hit);
    const std::string view = node.Mount(node.Lowers());
    CHECK(ReadFile(absl::StrCat(view, "/nix/store/", kTree, "/bin/hello")).ok());
    CHECK_FALSE(Exists(absl::StrCat(view, "/nix/store/", kForeign)));
    CHECK(ListDirectory(view).value() == std::vector<std::string>{"nix"});
    node.views().Drain();
    CHECK(ListDirectory(node.Path("state/overlay")).value() == std::vector<std::string>{"current"});
    CHECK(ListDirectory(node.Path("run")).value() == std::vector<std::string>{"lower"});
    CHECK(node.warnings().empty());
    REQUIRE_OK(ShowTree(node.views(), 8));
  }
  for (const std::string& point : FaultPoints()) {
    if (!absl::StartsWith(point, "overlay.")) continue;
    INFO(point);
    CHECK(died_at.contains(point));
  }
}

}  // namespace
}  // namespace stowage::testing
