#pragma once

namespace stowage {

// True unless this process is in the initial user namespace. Thread-safe.
bool InUserNamespace();

}  // namespace stowage
