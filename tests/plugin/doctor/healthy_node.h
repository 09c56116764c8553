#pragma once

#include <string>
#include <vector>

#include "plugin/doctor/checks.h"

namespace stowage::testing {

// Facts of a node on which all is right, for this version of containerd.
NodeFacts HealthyNode(const ContainerdVersion& version = {2, 1, 9});

// Places of settings in `containerd.config` of such a node.
nlohmann::json& ProxyPlugin(NodeFacts& facts);
nlohmann::json& CriContainerd(NodeFacts& facts);  // table with `snapshotter`
nlohmann::json& CriRegistry(NodeFacts& facts);    // table with `config_path`
nlohmann::json& UnpackConfig(NodeFacts& facts);

// IDs of findings, in their order.
std::vector<std::string> Ids(const std::vector<Finding>& findings);

// The finding of that id; fails the test if there is none or if it says nothing to do.
Finding Find(const std::vector<Finding>& findings, const std::string& id);

}  // namespace stowage::testing
