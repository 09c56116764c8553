#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace stowage {

// What keeper and worker must both know, and give each other when one starts the other.
struct ServerOptions {
  std::string mount_point;  // absolute
  int threads = 8;          // that serve requests; they wait for the store's disk
  std::string log_level = "info";
  std::string notify_socket;  // $NOTIFY_SOCKET, or ""; a started process reads its own environment
};

// The descriptors that keeper and worker both hold. Directories are opened (O_PATH) before the
// mount exists, so that no path of ours can ever lead into it.
struct ServerDescriptors {
  UniqueFd fuse;             // /dev/fuse of the mount
  UniqueFd session;          // memfd of SavedSession
  UniqueFd state_directory;  // holds views/ and objects/
  UniqueFd store_directory;  // normally /nix/store
};

// Command lines of the roles that the program starts itself in, without its name; main.cc parses
// them.
// worker: keeper_fd is a pidfd of the keeper, ready_fd where one byte is written once it serves.
std::vector<std::string> WorkerArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int keeper_fd,
                                         int ready_fd);
// keeper for a mount that is there and served: worker_fd is a pidfd of its worker.
std::vector<std::string> KeeperArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int worker_fd);

}  // namespace stowage
