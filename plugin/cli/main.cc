#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/own_user_namespace.h"
#include "base/rootless.h"
#include "plugin/cli/environment.h"
#include "plugin/cli/program.h"
#include "plugin/config/rootless_defaults.h"

namespace {

// The variable's value, or `fallback` when it is not there or empty.
std::string Variable(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

// An ordinary user can reach nobody else's stowaged: the socket of root's is root's. In a user
// namespace, where the user is root, the directory of their own tells.
void UseOwnStowaged(stowage::Environment& environment) {
  const bool user = ::geteuid() != 0;
  if (!user && !stowage::InUserNamespace()) return;
  const auto paths =
      stowage::FindRootlessPaths({Variable("HOME", ""), Variable("XDG_CONFIG_HOME", ""),
                                  Variable("XDG_DATA_HOME", ""), Variable("XDG_RUNTIME_DIR", "")});
  if (!paths.ok() || (!user && !stowage::DirectoryExists(paths->runtime_directory))) return;
  environment.rootless = true;
  environment.stowage_config = paths->config_file;
  environment.stowage_defaults = stowage::RootlessDefaults(*paths, Variable("USER", ""));
  environment.control_socket = environment.stowage_defaults.control_socket;
}

size_t TerminalColumns() {
  winsize size = {};
  constexpr size_t kUsual = 80;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  stowage::Environment environment;
  UseOwnStowaged(environment);
  environment.control_socket = Variable("STOWAGE_SOCKET", environment.control_socket);
  environment.containerd_address = Variable("CONTAINERD_ADDRESS", environment.containerd_address);
  environment.containerd_namespace =
      Variable("CONTAINERD_NAMESPACE", environment.containerd_namespace);
  environment.search_path = Variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
  environment.no_color = !Variable("NO_COLOR", "").empty();
  environment.error_terminal = ::isatty(STDERR_FILENO) == 1 && Variable("TERM", "dumb") != "dumb";
  environment.columns = TerminalColumns;
  return stowage::RunProgram({argv + (argc > 0 ? 1 : 0), argv + argc}, environment,
                             {.out = std::cout, .err = std::cerr});
}
