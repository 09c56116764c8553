#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>

#include "plugin/config/config.h"

namespace stowage {

// What the program takes from its surroundings; made in main.cc only, and by tests.
struct Environment {
  std::string control_socket = "/run/stowage/control.sock";            // STOWAGE_SOCKET
  std::string containerd_address = "/run/containerd/containerd.sock";  // CONTAINERD_ADDRESS
  std::string containerd_namespace = "default";                        // CONTAINERD_NAMESPACE
  std::string stowage_config = "/etc/stowage/config.toml";
  Config stowage_defaults;  // of keys that stowage_config does not have
  bool rootless = false;    // the user's own stowaged is meant; the fields above say where it is
  std::string search_path;  // PATH
  bool no_color = false;    // NO_COLOR is there and not empty (no-color.org)
  bool error_terminal = false;  // standard error is a terminal that can move its cursor
  std::function<size_t()> columns = [] { return size_t{80}; };  // of that terminal, now
};

struct Streams {
  std::ostream& out;
  std::ostream& err;
};

}  // namespace stowage
