#pragma once

#include <sys/socket.h>

#include <map>
#include <string>

#include "plugin/doctor/node_facts.h"

namespace stowage {

// Parts of GatherFacts.

// The containerd to run for `config dump`: the daemon's own program, which need not be the one in
// PATH. "containerd" unless the daemon is root's, in our mount namespace, and runs a program of
// that name that only root can write: an address may lead to anybody, and doctor is run by root.
//
// peer: as SO_PEERCRED tells it.
std::string ContainerdProgram(const ucred& peer);

// config_path: "" as in GatherOptions. mountpoint, file_system_type: what it must see
// (CheckPeerSees).
ContainerdFacts GatherContainerd(const std::string& address, const std::string& config_path,
                                 const std::string& mountpoint,
                                 const std::string& file_system_type);

// The hosts.toml that containerd reads for a registry host (FindHostsDirectory); where there is
// none, the one that there should be.
HostsFacts GatherHosts(const std::string& directories, const std::string& host);

}  // namespace stowage
