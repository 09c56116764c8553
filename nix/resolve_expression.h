#pragma once

namespace stowage {

// The text of resolve.nix, made part of the program by CMake so that it always fits the program.
extern const char kResolveExpression[];

}  // namespace stowage
