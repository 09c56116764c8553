#pragma once

#include <compare>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace stowage {

// A version of containerd, and what it can do. Pre-release and packaging suffixes do not count.
struct ContainerdVersion {
  int major = 0;
  int minor = 0;
  int patch = 0;

  // "1.6.20~ds1", "v2.1.9+unknown", "2.0.0-rc.1". Errors: InvalidArgument.
  static absl::StatusOr<ContainerdVersion> Parse(absl::string_view text);
  std::string ToString() const;
  friend auto operator<=>(const ContainerdVersion&, const ContainerdVersion&) = default;

  // The oldest that Stowage is made for.
  bool Supported() const { return *this >= ContainerdVersion{1, 6, 0}; }
  // Proxy plugins have `exports` and `capabilities`; CRI takes its image file system from exports.
  bool HasExports() const { return *this >= ContainerdVersion{1, 7, 16}; }
  // Version of the configuration format that a new file gets.
  int ConfigVersion() const { return major >= 2 ? 3 : 2; }
  // A key of an imported file replaces that key only, not the plugin's whole table.
  bool MergesPluginTables() const { return major >= 2; }
  // `ctr pull`, from 2.1 on CRI too, unpack by the transfer service, into what its unpack_config
  // names.
  bool HasTransferUnpack() const { return major >= 2; }
  bool CriPullsByTransfer() const { return *this >= ContainerdVersion{2, 1, 0}; }
  // A hosts.toml without a [host] table is read. Before, the file is ignored.
  bool ReadsHostsWithoutHostTable() const { return major >= 2; }
};

// What the daemon at `address` says it is; if nobody answers there, what `program` --version says.
// Errors: Unavailable naming both attempts; InvalidArgument for an answer that is no version.
absl::StatusOr<ContainerdVersion> FindContainerdVersion(const std::string& address,
                                                        const std::string& program);

}  // namespace stowage
