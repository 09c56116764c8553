#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// A directory with store paths made up by a test. Every failure throws, which fails the test.
class SyntheticStore {
 public:
  const std::string& path() const { return directory_.path(); }
  std::string Join(const std::string& relative) const { return directory_.Join(relative); }

  // "HASH-name" with a hash made of one letter of Nix's base 32.
  static std::string BaseName(char letter, absl::string_view name);

  // Each makes the missing directories above it; `path` is below the store.
  void Directory(const std::string& path) const;
  void File(const std::string& path, absl::string_view content = "", bool executable = false) const;
  void Symlink(const std::string& path, const std::string& target) const;

 private:
  TemporaryDirectory directory_;
};

// Store paths with everything that is odd and legal in a store: empty directories, names of every
// length and byte, links of every length, sizes around every block. Returns the base names, sorted.
std::vector<std::string> MakeOddStore(const SyntheticStore& store);

}  // namespace stowage::testing
