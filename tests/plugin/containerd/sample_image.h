#pragma once

#include <string>

#include "plugin/containerd/containerd_client.h"

namespace stowage::testing {

// An import of a small image of one layer, whose diff ID (and so chain ID) depends on `seed`.
// padding_bytes: makes the manifest longer by that.
ImportRequest SampleImage(const std::string& seed, const std::string& snapshotter,
                          size_t padding_bytes = 0);

}  // namespace stowage::testing
