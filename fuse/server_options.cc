#include "fuse/server_options.h"

#include "absl/strings/str_cat.h"

namespace stowage {
namespace {

std::vector<std::string> CommonArguments(const std::string& subcommand,
                                         const ServerOptions& options,
                                         const ServerDescriptors& descriptors) {
  return {subcommand,
          absl::StrCat("--mountpoint=", options.mount_point),
          absl::StrCat("--threads=", options.threads),
          absl::StrCat("--log-level=", options.log_level),
          absl::StrCat("--fuse-fd=", descriptors.fuse.get()),
          absl::StrCat("--session-fd=", descriptors.session.get()),
          absl::StrCat("--state-fd=", descriptors.state_directory.get()),
          absl::StrCat("--store-fd=", descriptors.store_directory.get())};
}

}  // namespace

std::vector<std::string> WorkerArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int keeper_fd,
                                         int ready_fd) {
  std::vector<std::string> arguments = CommonArguments("worker", options, descriptors);
  arguments.push_back(absl::StrCat("--keeper-fd=", keeper_fd));
  arguments.push_back(absl::StrCat("--ready-fd=", ready_fd));
  return arguments;
}

std::vector<std::string> KeeperArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int worker_fd) {
  std::vector<std::string> arguments = CommonArguments("keeper", options, descriptors);
  arguments.push_back(absl::StrCat("--worker-fd=", worker_fd));
  return arguments;
}

}  // namespace stowage
