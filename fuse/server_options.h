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
  std::string program;        // our file as it was started, absolute; what an upgrade replaces
  // False: do without FUSE_NOTIFY_RESEND, as on kernels before 6.9.
  bool resend = true;
  // How long no worker may serve before the mount is given up.
  int give_up_after_seconds = 60;
  // How long who reads a promised object waits for a stowaged that is not there.
  int stowaged_patience_seconds = 30;
};

// The descriptors that keeper and worker both hold. Directories are opened (O_PATH) before the
// mount exists, so that no path of ours can ever lead into it.
struct ServerDescriptors {
  UniqueFd fuse;             // /dev/fuse of the mount
  UniqueFd session;          // memfd of SavedSession, whose object takes it over at once
  UniqueFd state_directory;  // holds views/ and objects/
  UniqueFd store_directory;  // normally /nix/store
};

// Command lines of the roles that the program starts itself in, without its name; main.cc parses
// them. session_fd: as in ServerDescriptors.
//
// "worker": ready_fd is where one byte is written once it serves.
std::vector<std::string> WorkerArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int session_fd,
                                         int ready_fd);
// "keeper", for a mount that is there. replace_worker: start a worker of this program at once.
std::vector<std::string> KeeperArguments(const ServerOptions& options,
                                         const ServerDescriptors& descriptors, int session_fd,
                                         bool replace_worker);

}  // namespace stowage
