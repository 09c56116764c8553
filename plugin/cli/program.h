#pragma once

#include <string>
#include <vector>

#include "plugin/cli/environment.h"

namespace stowage {

// The whole program `stowage` but for what main() reads. words: the arguments after the program's
// name. Returns the exit code.
int RunProgram(const std::vector<std::string>& words, const Environment& environment,
               const Streams& streams);

}  // namespace stowage
