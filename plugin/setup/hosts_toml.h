#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// A hosts.toml as containerd reads it: whom to ask for names of one registry host.
struct HostsFile {
  struct Host {
    std::string url;
    bool pull = true;  // a host without `capabilities` has all
    bool resolve = true;
  };
  std::string server;       // "" without one: containerd then asks the registry itself
  std::vector<Host> hosts;  // in the order in which they are asked, before the server
  // Of several hosts, each has a header [host."URL"]. containerd goes by its line; for other forms,
  // such as dotted keys, nobody can say who is asked first.
  bool order_known = true;
  bool has_host_table = false;
};

// name: file name for messages. Errors: InvalidArgument for what is not TOML.
absl::StatusOr<HostsFile> ParseHostsFile(absl::string_view text, absl::string_view name);

// Whether a host's URL in hosts.toml leads to our endpoint. containerd takes one without "http" at
// its beginning for https (v2.1.9 core/remotes/docker/config/hosts.go), so a scheme counts.
// endpoint: "http://127.0.0.1:5080".
bool IsOurEndpoint(absl::string_view url, absl::string_view endpoint);

// Whether names under this file reach our endpoint and nobody else, whatever that answers.
bool IsOursAlone(const HostsFile& file, absl::string_view endpoint);

// The hosts.toml of a name that is ours alone. Both keys, since containerd 1.6 and 1.7 ignore a
// file without a [host] table, and every version asks the network when there is no server.
std::string HostsTextForOwnName(absl::string_view endpoint);

// The hosts.toml of a registry that is asked after us.
std::string HostsTextBeforeRegistry(absl::string_view endpoint, absl::string_view server);

// Puts our endpoint first into a hosts.toml, which keeps all that it has.
// Errors: InvalidArgument for what is not TOML; FailedPrecondition if the endpoint is in it already
// but not known to be first, or if its form does not allow it.
absl::StatusOr<std::string> WithEndpointFirst(absl::string_view text, absl::string_view endpoint);

}  // namespace stowage
