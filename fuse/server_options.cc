#include "fuse/server_options.h"

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

std::vector<std::string> CommonArguments(const std::string& role, const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int session_fd) {
  std::vector<std::string> arguments = {
      role,
      absl::StrCat("--mountpoint=", options.mount_point),
      absl::StrCat("--threads=", options.threads),
      absl::StrCat("--log-level=", options.log_level),
      absl::StrCat("--give-up-after=", options.give_up_after_seconds),
      absl::StrCat("--stowaged-patience=", options.stowaged_patience_seconds),
      absl::StrCat("--program=", options.program),
      absl::StrCat("--fuse-fd=", descriptors.fuse.get()),
      absl::StrCat("--session-fd=", session_fd),
      absl::StrCat("--state-fd=", descriptors.state_directory.get()),
      absl::StrCat("--store-fd=", descriptors.store_directory.get())};
  if (!options.resend) arguments.emplace_back("--no-resend");
  return arguments;
}

}  // namespace

std::vector<std::string> WorkerArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int session_fd,
                                         int ready_fd) {
  std::vector<std::string> arguments = CommonArguments("worker", options, descriptors, session_fd);
  arguments.push_back(absl::StrCat("--ready-fd=", ready_fd));
  return arguments;
}

std::vector<std::string> KeeperArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int session_fd,
                                         bool replace_worker) {
  std::vector<std::string> arguments = CommonArguments("keeper", options, descriptors, session_fd);
  if (replace_worker) arguments.emplace_back("--replace-worker");
  return arguments;
}

}  // namespace stowage
