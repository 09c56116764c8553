#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "plugin/config/config.h"
#include "plugin/doctor/node_facts.h"
#include "proto/stowage/stowage.pb.h"

namespace stowage {

struct GatherOptions {
  std::string name = "stowage";
  std::string containerd_address = "/run/containerd/containerd.sock";
  // "": what the running containerd was started with, else /etc/containerd/config.toml.
  std::string containerd_config;
  std::string stowage_config = "/etc/stowage/config.toml";
  Config stowage_defaults;  // of keys that stowage_config does not have
  std::string platform = "linux/amd64";
  // What stowaged's control socket answered.
  absl::StatusOr<v1::StatusResponse> stowaged = absl::UnknownError("not asked");
};

// Finds out what there is to know about this node. What cannot be found out is said in the facts,
// and is no error. Changes nothing. Bounded by half a minute. Thread-safe.
NodeFacts GatherFacts(const GatherOptions& options);

}  // namespace stowage
