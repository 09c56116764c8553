#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nix/closure.h"

namespace stowage {

// A store object in the order in which a reader met it; `references` are indices in that order and
// may hold the object itself and repetitions.
using ListedObject = StoreObject;

// Sorts the objects by base name, renumbers and sorts references and leaves out self-references.
// roots: indices into `listed`, repetitions allowed. Errors: Internal for an index out of range.
absl::StatusOr<Closure> AssembleClosure(std::vector<ListedObject> listed,
                                        absl::Span<const uint32_t> roots);

}  // namespace stowage
