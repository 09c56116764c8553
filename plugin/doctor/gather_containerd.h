#pragma once

#include <map>
#include <string>

#include "plugin/doctor/node_facts.h"

namespace stowage {

// Parts of GatherFacts.

// config_path: "" as in GatherOptions. mountpoint: of stowage-fuse.
ContainerdFacts GatherContainerd(const std::string& address, const std::string& config_path,
                                 const std::string& mountpoint);

// The hosts.toml that containerd would read for a registry host, as its HostDirFromRoots finds it:
// the first of the directories (separated by ':') that has one for the host, or a default.
HostsFacts GatherHosts(const std::string& directories, const std::string& host);

}  // namespace stowage
