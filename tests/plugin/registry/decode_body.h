#pragma once

#include <string>

#include "plugin/registry/accept_encoding.h"

namespace stowage::testing {

// Decodes by zlib and libzstd, independent of the encoder under test. A body that is damaged or not
// ended throws.
std::string DecodeBody(const std::string& encoded, ContentCoding coding);

}  // namespace stowage::testing
