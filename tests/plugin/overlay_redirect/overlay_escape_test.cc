// Attempts to see store paths that are not in the view, by somebody who knows the secret name.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/directory.h"
#include "base/file.h"
#include "tests/plugin/overlay_redirect/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage::testing {
namespace {

namespace fs = std::filesystem;

// Whether anything below `root` shows the foreign store path or what lies beside the store.
bool Leaks(const std::string& root) {
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name == "secret" || name == "db" || name == "inner") return true;
  }
  return false;
}

bool WriteTo(const char* path, absl::string_view text) {
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY);
  return fd.ok() && WriteAll(fd->get(), text, path).ok();
}

// What a process in a container does: `root` is its root directory. Errors are expected.
void TryAll(const std::string& root, const std::string& secret) {
  const std::string foreign = absl::StrCat("/", secret, "/", kForeign);
  for (const std::string& name : {secret, std::string("made")}) {
    const std::string directory = absl::StrCat(root, "/", name);
    (void)::mkdir(directory.c_str(), 0755);
    for (const char* attribute : {"trusted.overlay.redirect", "user.overlay.redirect"})
      for (const std::string& target : {foreign, "/" + secret, std::string("/store")})
        (void)::setxattr(directory.c_str(), attribute, target.data(), target.size(), 0);
  }
  (void)::mknod(absl::StrCat(root, "/whiteout").c_str(), S_IFCHR, ::makedev(0, 0));
  (void)::rename(absl::StrCat(root, "/made").c_str(),
                 absl::StrCat(root, "/", secret, "/m").c_str());
  (void)::rename(absl::StrCat(root, "/whiteout").c_str(),
                 absl::StrCat(root, "/nix/store/", kForeign).c_str());
  (void)::mkdir(absl::StrCat(root, "/nix/store/", kForeign).c_str(), 0755);
  // Nested: the container's own root as a lower directory, with every option there is.
  (void)::mkdir(absl::StrCat(root, "/low").c_str(), 0755);
  (void)::mkdir(absl::StrCat(root, "/inside").c_str(), 0755);
  for (const char* option : {"redirect_dir=follow", "redirect_dir=on", "userxattr"}) {
    const std::string options = absl::StrCat("lowerdir=", root, "/low:", root, ",", option);
    if (::mount("overlay", absl::StrCat(root, "/inside").c_str(), "overlay", 0, options.c_str()) !=
        0)
      continue;
    if (Leaks(absl::StrCat(root, "/inside"))) ::_exit(1);
    (void)::umount2(absl::StrCat(root, "/inside").c_str(), MNT_DETACH);
  }
}

// Runs it in a child: in a user namespace of its own, as another user, or as root.
enum class Who { kRoot, kOtherUser, kUserNamespace };

int InChild(Who who, const std::function<void()>& work) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (who == Who::kOtherUser && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    if (who == Who::kUserNamespace) {
      if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(2);
      if (!WriteTo("/proc/self/setgroups", "deny") || !WriteTo("/proc/self/uid_map", "0 0 1\n") ||
          !WriteTo("/proc/self/gid_map", "0 0 1\n"))
        ::_exit(2);
    } else if (::unshare(CLONE_NEWNS) != 0 && who == Who::kRoot) {
      ::_exit(2);
    }
    try {
      work();
    } catch (...) {
      ::_exit(3);
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("Nothing that runs in a container reaches a foreign store path", "[overlay_redirect]") {
  const Who who = GENERATE(Who::kRoot, Who::kOtherUser, Who::kUserNamespace);
  OverlayNode node;
  const auto lowers = node.Lowers();
  const std::string view = node.Mount(lowers);
  REQUIRE(::chmod(view.c_str(), 0777) == 0);
  const std::string secret = node.secret_name();
  CHECK(InChild(who, [&] {
          if (!Exists(absl::StrCat(view, "/nix/store/", kTree))) ::_exit(4);
          TryAll(view, secret);
          if (Leaks(view)) ::_exit(1);
        }) == 0);
  CHECK_FALSE(Leaks(view));
  // The same upper directory again, as after a restart, when the kernel reads what was written.
  node.Unmount(view);
  const std::string options =
      absl::StrCat("index=off,redirect_dir=follow,workdir=", view, ".work,upperdir=", view,
                   ".upper,lowerdir=", absl::StrJoin(lowers, ":"));
  REQUIRE(::mount("overlay", view.c_str(), "overlay", 0, options.c_str()) == 0);
  CHECK_FALSE(Leaks(view));
}

TEST_CASE("A layer that was unpacked with redirects of its own shows nothing foreign",
          "[overlay_redirect]") {
  OverlayNode node;
  node.Open();
  const std::string secret = node.secret_name();
  const std::string target =
      GENERATE_COPY(absl::StrCat("/", secret), absl::StrCat("/", secret, "/", kForeign),
                    std::string("/store"), absl::StrCat("/store/", kForeign), std::string("/var"));
  const std::string layer = node.Path("state/layer");
  for (const std::string& name : {std::string("x"), secret}) {
    const std::string directory = absl::StrCat(layer, "/", name);
    REQUIRE_OK(MakeDirectories(directory));
    REQUIRE(::setxattr(directory.c_str(), "trusted.overlay.redirect", target.data(), target.size(),
                       0) == 0);
  }
  CHECK_FALSE(Leaks(node.Mount(node.Lowers({layer}))));
}

TEST_CASE("Without the cap the store shows, so these tests would see it", "[overlay_redirect]") {
  OverlayNode node;
  std::vector<std::string> lowers = node.Lowers();
  lowers.erase(lowers.begin());
  const std::string view = node.Mount(lowers);
  CHECK(Leaks(absl::StrCat(view, "/", node.secret_name())));
}

TEST_CASE("Only root can look at the secret name and the mount of lower directories",
          "[overlay_redirect]") {
  OverlayNode node;
  (void)node.Lowers();
  CHECK(InChild(Who::kOtherUser, [&] {
          if (::access(node.Path("state/overlay/current").c_str(), F_OK) == 0) ::_exit(1);
          if (::access(node.views().layers().store_parent.c_str(), F_OK) == 0) ::_exit(1);
        }) == 0);
}

}  // namespace
}  // namespace stowage::testing
