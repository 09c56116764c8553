#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/file.h"
#include "plugin/setup/containerd_setup.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// A directory that stands for /etc, so that texts can be compared with what would be there.
class EtcDirectory {
 public:
  // "/etc/containerd/config.toml" as a path below this directory.
  std::string Path(const std::string& name) const { return directory_.Join(name.substr(1)); }

  // Texts name files below /etc, too.
  void Write(const std::string& name, const std::string& text) const {
    const std::string path = Path(name);
    REQUIRE_OK(MakeDirectories(path.substr(0, path.rfind('/'))));
    REQUIRE_OK(WriteFileAtomically(path, absl::StrReplaceAll(text, {{"/etc/", Path("/etc/")}})));
  }

  std::string Read(const std::string& name) const {
    const auto text = ReadFile(Path(name));
    REQUIRE_OK(text);
    return Anonymous(*text);
  }

  // The text with this directory's name taken out.
  std::string Anonymous(const std::string& text) const {
    return absl::StrReplaceAll(text, {{Path("/etc/"), "/etc/"}});
  }

  ContainerdSetupOptions Options(const std::string& version) const {
    ContainerdSetupOptions options;
    const auto parsed = ContainerdVersion::Parse(version);
    REQUIRE_OK(parsed);
    options.version = *parsed;
    options.config_path = Path("/etc/containerd/config.toml");
    options.certs_directory = Path("/etc/containerd/certs.d");
    return options;
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace stowage::testing
