#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace stowage {

// The candidates that `name` may be a slip of, most similar first (then by bytes), at most three:
// one edit (insert, delete, replace, swap of neighbours) for names of up to four characters, else
// two; case does not count.
std::vector<std::string> SimilarNames(absl::string_view name,
                                      const std::vector<std::string>& candidates);

}  // namespace stowage
