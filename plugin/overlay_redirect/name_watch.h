#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace stowage {

// Calls back, on a thread of its own, after names have come up in a directory: made there or moved
// to it. Thread-safe.
class NameWatch {
 public:
  // on_names: what to do; also called once before Start returns, so that no name is missed.
  // A call that fails is repeated every second until one succeeds.
  // warn: told when it begins to fail, or when the directory is not watched any longer.
  // Errors: the system's (ResourceExhausted if there are too many inotify instances), and
  // on_names's at the first call.
  static absl::StatusOr<std::unique_ptr<NameWatch>> Start(
      const std::string& directory, std::function<absl::Status()> on_names,
      std::function<void(absl::string_view)> warn);
  ~NameWatch();
  NameWatch(const NameWatch&) = delete;
  NameWatch& operator=(const NameWatch&) = delete;

 private:
  NameWatch(std::string directory, UniqueFd watch, UniqueFd stop,
            std::function<absl::Status()> on_names, std::function<void(absl::string_view)> warn)
      : directory_(std::move(directory)),
        watch_(std::move(watch)),
        stop_(std::move(stop)),
        on_names_(std::move(on_names)),
        warn_(std::move(warn)),
        thread_([this] { Run(); }) {}
  void Run() noexcept;
  // False when nothing more will come.
  bool Read();
  // How long to wait for the next event, in milliseconds; -1: for ever.
  int CallBack(bool failed_before);

  const std::string directory_;
  const UniqueFd watch_;
  const UniqueFd stop_;  // an eventfd
  const std::function<absl::Status()> on_names_;
  const std::function<void(absl::string_view)> warn_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace stowage
