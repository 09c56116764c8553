#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// Ends the test program with code 77 (skipped) unless it runs as root with containerd and ctr in
// PATH.
void SkipWithoutContainerd();

// A containerd of its own, without CRI, in a temporary directory; killed at the end.
class ContainerdProcess {
 public:
  // proxy_snapshotters: name and socket of each [proxy_plugins.NAME].
  explicit ContainerdProcess(
      const std::vector<std::pair<std::string, std::string>>& proxy_snapshotters = {});
  ~ContainerdProcess();
  ContainerdProcess(const ContainerdProcess&) = delete;
  ContainerdProcess& operator=(const ContainerdProcess&) = delete;

  std::string address() const { return directory_.Join("containerd.sock"); }
  // Standard output of `ctr --address ... -n NAMESPACE WORDS...`; fails the test if ctr does.
  std::string Ctr(const std::string& containerd_namespace,
                  const std::vector<std::string>& words) const;

 private:
  std::string WriteConfig(
      const std::vector<std::pair<std::string, std::string>>& proxy_snapshotters) const;
  void WaitUntilServing() const;

  TemporaryDirectory directory_;
  pid_t pid_ = -1;
};

}  // namespace stowage::testing
