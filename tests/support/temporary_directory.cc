#include "tests/support/temporary_directory.h"

#include <stdlib.h>

#include <cstdlib>
#include <stdexcept>

#include "base/directory.h"

namespace stowage::testing {

TemporaryDirectory::TemporaryDirectory() {
  const char* parent = std::getenv("TMPDIR");
  path_ = std::string(parent == nullptr ? "/tmp" : parent) + "/stowage-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr)
    throw std::runtime_error("no temporary directory: " + path_);
}

TemporaryDirectory::~TemporaryDirectory() { (void)RemoveTree(path_); }

}  // namespace stowage::testing
