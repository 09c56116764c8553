#pragma once

#include <cstdint>
#include <vector>

#include "base/digest.h"
#include "nix/store_path.h"

namespace stowage {

// One valid store path as Nix's database describes it.
struct StoreObject {
  StorePath path;
  Digest nar_hash;
  uint64_t nar_size_bytes;
  // Indices into Closure::objects, ascending, without the path itself.
  std::vector<uint32_t> references;
};

// Everything that some store paths need at run time.
struct Closure {
  std::vector<StoreObject> objects;  // sorted by base name; every reference lies inside
  std::vector<uint32_t>
      roots;  // indices of what was asked for, in the order asked, without duplicates
};

}  // namespace stowage
