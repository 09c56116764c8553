#pragma once

#include <vector>

#include "plugin/doctor/finding.h"
#include "plugin/doctor/node_facts.h"

namespace stowage {

// What repairs most of containerd's configuration.
inline constexpr char kRunSetup[] = "run 'stowage setup containerd', then restart containerd";

// Each group of checks judges one part of a node. Pure; order within a group is that of the code.
std::vector<Finding> CheckOwnNames(const NodeFacts& facts);    // hosts.toml of nix, nix.local
std::vector<Finding> CheckShortNames(const NodeFacts& facts);  // docker.io
std::vector<Finding> CheckConfigPath(const NodeFacts& facts);  // whether hosts.toml is read
std::vector<Finding> CheckContainerd(const NodeFacts& facts);  // daemon and files
std::vector<Finding> CheckProxyPlugin(const NodeFacts& facts);
std::vector<Finding> CheckUnpacking(const NodeFacts& facts);  // CRI's and transfer's settings
std::vector<Finding> CheckStowage(const NodeFacts& facts);    // daemons and state
std::vector<Finding> CheckDisk(const NodeFacts& facts);       // what kubelet measures
std::vector<Finding> CheckMachine(const NodeFacts& facts);    // kernel, /dev/fuse, Nix

// All of them, worst first.
std::vector<Finding> CheckNode(const NodeFacts& facts);

// Whether something is to be repaired.
bool AnythingWrong(const std::vector<Finding>& findings);

}  // namespace stowage
