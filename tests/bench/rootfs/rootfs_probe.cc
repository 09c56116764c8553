// rootfs_probe OPERATION DIRECTORY [ARGUMENT...] < names: one workload on a root file system, for
// bench_rootfs.py.
//
// Standard input names files relative to DIRECTORY, one a line. Prints the wall time of the
// workload in seconds. No path is resolved through a symbolic link that leads out of DIRECTORY: the
// names are regular files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace {

using stowage::UniqueFd;

constexpr size_t kBlock = 1 << 20;

struct Workload {
  int root = -1;
  std::string directory;
  std::vector<std::string> names;
  std::vector<std::string> arguments;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "rootfs_probe: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

UniqueFd Open(const Workload& workload, const std::string& name) {
  UniqueFd fd(::openat(workload.root, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) Fail("open " + name);
  return fd;
}

size_t SizeOf(int fd, const std::string& name) {
  struct stat status;
  if (::fstat(fd, &status) != 0) Fail("stat " + name);
  return static_cast<size_t>(status.st_size);
}

void OpenAll(const Workload& workload) {
  for (const std::string& name : workload.names) Open(workload, name);
}

void LstatAll(const Workload& workload) {
  for (const std::string& name : workload.names) {
    struct stat status;
    if (::fstatat(workload.root, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      Fail("stat " + name);
  }
}

void ReadAll(const Workload& workload) {
  std::vector<char> buffer(kBlock);
  for (const std::string& name : workload.names) {
    const UniqueFd fd = Open(workload, name);
    ssize_t size;
    while ((size = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
    }
    if (size < 0) Fail("read " + name);
  }
}

void TouchMapped(const Workload& workload) {
  for (const std::string& name : workload.names) {
    const UniqueFd fd = Open(workload, name);
    const size_t size = SizeOf(fd.get(), name);
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED) Fail("mmap " + name);
    uint8_t sum = 0;
    for (size_t at = 0; at < size; at += 4096)
      sum = static_cast<uint8_t>(sum + static_cast<volatile const uint8_t*>(memory)[at]);
    ::munmap(memory, size);
  }
}

void Walk(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR* const directory = fd < 0 ? nullptr : ::fdopendir(fd);
  if (directory == nullptr) Fail(std::string("open directory ") + name);
  while (const dirent* const entry = ::readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    struct stat status;
    if (::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      Fail(std::string("stat ") + entry->d_name);
    if (S_ISDIR(status.st_mode)) Walk(fd, entry->d_name);
  }
  ::closedir(directory);
}

void WalkAll(const Workload& workload) { Walk(workload.root, "."); }

// The program of the arguments, with DIRECTORY as its root.
void RunProgram(const Workload& workload) {
  std::vector<char*> words;
  for (const std::string& word : workload.arguments)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) Fail("fork");
  if (child == 0) {
    if (::chroot(workload.directory.c_str()) != 0 || ::chdir("/") != 0) Fail("chroot");
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) ::dup2(null, STDOUT_FILENO);
    ::execvp(words[0], words.data());
    Fail(std::string("execute ") + words[0]);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    errno = 0;
    Fail("run " + workload.arguments[0] + ": it failed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<void(const Workload&)>> operations = {
      {"open", OpenAll},     {"lstat", LstatAll}, {"read", ReadAll},
      {"mmap", TouchMapped}, {"walk", WalkAll},   {"run", RunProgram},
  };
  const auto operation = argc < 3 ? operations.end() : operations.find(argv[1]);
  if (operation == operations.end()) {
    std::fprintf(stderr,
                 "usage: rootfs_probe open|lstat|read|mmap|walk|run DIRECTORY "
                 "[PROGRAM ARGUMENT...] < names\n");
    return 2;
  }
  Workload workload;
  workload.directory = argv[2];
  workload.arguments.assign(argv + 3, argv + argc);
  for (std::string name; std::getline(std::cin, name);) workload.names.push_back(name);
  const UniqueFd root(::open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) Fail(std::string("open ") + argv[2]);
  workload.root = root.get();

  const auto begin = std::chrono::steady_clock::now();
  operation->second(workload);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("%.9f\n", seconds.count());
  return 0;
}
