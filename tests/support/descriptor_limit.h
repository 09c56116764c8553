#pragma once

#include <sys/resource.h>

namespace stowage::testing {

// While it lives, this process cannot open descriptors from number `limit` on.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    // Cannot fail: the soft limit is only lowered, and then put back.
    (void)::getrlimit(RLIMIT_NOFILE, &old_);
    const rlimit lowered = {limit, old_.rlim_max};
    (void)::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~DescriptorLimit() { (void)::setrlimit(RLIMIT_NOFILE, &old_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit old_ = {};
};

}  // namespace stowage::testing
