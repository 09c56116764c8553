// fuzz_corpus TARGET FILE-OR-DIRECTORY...: runs one fuzz target over files, without libFuzzer. The
// same replays a finding.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> FilesOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error))
    files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

bool Run(stowage::testing::FuzzTarget target, const std::string& path) {
  const auto bytes = stowage::ReadFile(path);
  if (!bytes.ok()) {
    std::fprintf(stderr, "%s\n", bytes.status().ToString().c_str());
    return false;
  }
  std::printf("%s\n", path.c_str());
  (void)std::fflush(stdout);  // the name must be out before the target may end the process
  target(*bytes);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const auto& targets = stowage::testing::FuzzTargets();
  const auto target = argc < 3 ? targets.end() : targets.find(argv[1]);
  if (target == targets.end()) {
    std::fprintf(stderr, "usage: fuzz_corpus TARGET FILE-OR-DIRECTORY...; targets:\n");
    for (const auto& [name, function] : targets) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  target->second("");
  int files = 0;
  for (int i = 2; i < argc; ++i)
    for (const std::string& path : FilesOf(argv[i])) {
      if (!Run(target->second, path)) return 1;
      ++files;
    }
  if (files == 0) std::fprintf(stderr, "no file to run %s on\n", argv[1]);
  return files == 0 ? 1 : 0;
}
