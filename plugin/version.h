#pragma once

namespace stowage {

// The version of this build, as in CMakeLists.txt.
inline constexpr char kVersion[] = STOWAGE_VERSION;

}  // namespace stowage
