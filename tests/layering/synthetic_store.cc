#include "tests/layering/synthetic_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "base/directory.h"
#include "base/file.h"

namespace stowage::testing {
namespace {

void OrThrow(bool ok, const std::string& path) {
  if (!ok) throw std::runtime_error("synthetic store: cannot make " + path);
}

// Bytes that differ from place to place, so that a slice taken from the wrong place shows.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  return bytes;
}

void MakeOddNames(const SyntheticStore& store, const std::string& base) {
  for (const char* name :
       {"with space", "new\nline", "tab\t", "-dash", "*?[", "back\\slash", "quote'\"", "latin \xe4",
        "utf-8 \xc3\xa4", "\xff\xfe", "a", "a-b", "a.b", "ab", "B", "..."})
    store.File(absl::StrCat(base, "/names/", name), name);
  store.File(base + "/names/aa/below", "sorts after a.b, for '/' counts as the end of a name");
  store.File(base + "/" + std::string(255, 'n'), "longest name");
  store.Directory(base + "/" + std::string(255, 'd'));
  store.File(base + "/" + std::string(254, '\xe4') + "/" + std::string(200, '\xe5'), "no UTF-8");
  // Around the ends of ustar's name (100 bytes) and prefix (155): "nix/store/" and the base name
  // are 10 + 36.
  for (const size_t length : {52, 53, 54, 55, 99, 100, 101})
    store.File(absl::StrCat(base, "/split", length, "/", std::string(length, 's')), "split");
  for (const size_t length : {106, 107, 108, 109, 110})
    store.File(absl::StrCat(base, "/", std::string(length, 'p'), "/", std::string(60, 's')), "x");
  std::string deep = base;
  for (int i = 0; i < 30; ++i) absl::StrAppend(&deep, "/directory ", i);
  store.File(deep + "/file", "deep");
}

void MakeOddLinks(const SyntheticStore& store, const std::string& base) {
  for (const size_t length : {1, 99, 100, 101, 255, 256, 4000})
    store.Symlink(absl::StrCat(base, "/links/", length), std::string(length, 'l'));
  store.Symlink(base + "/links/absolute", "/nix/store/nothing/there");
  store.Symlink(base + "/links/latin", std::string(150, '\xe4'));
  store.Symlink(base + "/links/utf-8", "\xc3\xa4\n");
  store.Symlink(base + "/links/" + std::string(120, 'l'), std::string(120, 't'));
}

}  // namespace

std::string SyntheticStore::BaseName(char letter, absl::string_view name) {
  return absl::StrCat(std::string(32, letter), "-", name);
}

void SyntheticStore::Directory(const std::string& path) const {
  OrThrow(MakeDirectories(Join(path)).ok(), path);
}

void SyntheticStore::File(const std::string& path, absl::string_view content,
                          bool executable) const {
  const std::string full = Join(path);
  OrThrow(MakeDirectories(std::filesystem::path(full).parent_path().string()).ok(), path);
  (void)::unlink(full.c_str());  // a file that is there is replaced, not written to
  const auto fd = OpenAt(AT_FDCWD, full, O_WRONLY | O_CREAT | O_EXCL, 0600);
  OrThrow(fd.ok() && WriteAll(fd->get(), content, full).ok(), path);
  OrThrow(::fchmod(fd->get(), executable ? 0755 : 0644) == 0, path);
}

void SyntheticStore::Symlink(const std::string& path, const std::string& target) const {
  const std::string full = Join(path);
  OrThrow(MakeDirectories(std::filesystem::path(full).parent_path().string()).ok(), path);
  OrThrow(::symlink(target.c_str(), full.c_str()) == 0, path);
}

std::vector<std::string> MakeOddStore(const SyntheticStore& store) {
  const std::string tree = SyntheticStore::BaseName('a', "odd");
  store.Directory(tree + "/empty/directory");
  MakeOddNames(store, tree);
  MakeOddLinks(store, tree);
  for (const size_t size : {0, 1, 511, 512, 513, 65535, 65536, 65537, 1048579})
    store.File(absl::StrCat(tree, "/sizes/", size), Pattern(size), size % 2 == 0);
  // Only the owner's executable bit counts.
  OrThrow(::chmod(store.Join(tree + "/sizes/512").c_str(), 04750) == 0, "mode");
  OrThrow(::chmod(store.Join(tree + "/sizes/513").c_str(), 0600) == 0, "mode");
  OrThrow(::link(store.Join(tree + "/sizes/512").c_str(), store.Join(tree + "/hard").c_str()) == 0,
          "hard link");
  const std::string file = SyntheticStore::BaseName('b', "file.txt");
  const std::string program = SyntheticStore::BaseName('c', "Program+1=2?");
  const std::string link = SyntheticStore::BaseName('d', "link");
  const std::string empty = SyntheticStore::BaseName('f', std::string(211, 'e'));
  store.File(file, "a store path can be a file");
  store.File(program, "#!/bin/sh\n", true);
  store.Symlink(link, "/nix/store/" + file);
  store.Directory(empty);
  return {tree, file, program, link, empty};
}

}  // namespace stowage::testing
