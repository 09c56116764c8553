#pragma once

#include <string>

#include "base/unique_fd.h"
#include "fuse/fetch_message.h"

namespace stowage::testing {

// Stands for stowaged where stowage-fuse asks for promised objects. Failures, and waiting for more
// than five seconds, are test failures. Gone with the object.
class FakeStowaged {
 public:
  explicit FakeStowaged(const std::string& state_directory);

  void Accept();
  FetchMessage Read();
  void Send(const std::string& packet);
  void HangUp() { connection_.Reset(); }

 private:
  UniqueFd listener_;
  UniqueFd connection_;
};

}  // namespace stowage::testing
