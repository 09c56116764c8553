// A damaged index file gives errors, never wrong answers and never a crash (run under ASan too).

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "fuse/index_file.h"
#include "fuse/object_index.h"
#include "fuse/view_index.h"
#include "tests/fuse/store_tree.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::StoreTree;

void WriteBytes(const std::string& path, const std::string& bytes) {
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  REQUIRE_OK(fd);
  REQUIRE_OK(WriteAll(fd->get(), bytes, path));
}

// Everything a reader says of an object, and whether it said EIO on the way. Bounded, whatever the
// file holds.
std::string ReadObject(const std::string& path, bool* failed) {
  const auto index = ObjectIndex::Open(AT_FDCWD, path, 1);
  *failed = !index.ok();
  if (!index.ok()) return "";
  std::string said = absl::StrCat(index->entry_count(), " ", index->file_bytes(), "\n");
  for (uint32_t i = 0; i < index->entry_count() && i < 100; ++i) {
    ObjectEntry entry;
    ObjectEntry child;
    std::string place;
    if (index->ReadEntry(i, &entry) != 0 || index->PathOf(i, &place) != 0) {
      *failed = true;
      continue;
    }
    absl::StrAppend(&said, place, " ", static_cast<int>(entry.kind), " ", entry.target, " ",
                    entry.size_bytes, " ", entry.first_child, " ", entry.child_count, "\n");
    if (entry.kind != EntryKind::kDirectory) continue;
    for (const char* name : {"bin", "file", "link", "run", "none"}) {
      const int error = index->FindChild(entry, name, &child);
      if (error == EIO) *failed = true;
      absl::StrAppend(&said, name, "=", error == 0 ? child.index : 0, " ");
    }
  }
  if (!index->VerifyContent().ok()) *failed = true;
  return said;
}

std::string ReadView(const std::string& path, bool* failed) {
  const auto view = ViewIndex::Open(AT_FDCWD, path, 1);
  *failed = !view.ok();
  if (!view.ok()) return "";
  std::string said = absl::StrCat(view->slot_count(), "\n");
  ViewEntry entry;
  for (uint32_t slot = 1; slot <= view->slot_count() && slot < 100; ++slot) {
    if (view->ReadSlot(slot, &entry) != 0) {
      *failed = true;
      continue;
    }
    absl::StrAppend(&said, entry.name, " ", entry.object_number, "\n");
  }
  for (const char* name : {"aaa-x", "bbb-y", "none"}) {
    const int error = view->FindName(name, &entry);
    if (error == EIO) *failed = true;
    absl::StrAppend(&said, name, "=", error == 0 ? entry.slot : 0, " ");
  }
  if (!view->VerifyContent().ok()) *failed = true;
  return said;
}

using Reader = std::string (*)(const std::string&, bool*);

// Every bit flipped, every length cut, every byte added: either an error or the true answers.
void CheckAllDamage(const std::string& path, Reader read) {
  const auto original = ReadFile(path);
  REQUIRE_OK(original);
  bool failed = true;
  const std::string truth = read(path, &failed);
  REQUIRE_FALSE(failed);
  for (size_t size = original->size(); size-- > 0;) {
    const bool cut = ::truncate(path.c_str(), static_cast<off_t>(size)) == 0;
    (void)read(path, &failed);
    if (!cut || !failed) FAIL("cut to " << size << " bytes was not noticed");
  }
  WriteBytes(path, *original);
  const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY);
  REQUIRE_OK(fd);
  for (size_t i = 0; i < original->size() * 8; ++i) {
    const char byte = (*original)[i / 8];
    const char flipped = static_cast<char>(byte ^ (1 << i % 8));
    const auto place = static_cast<off_t>(i / 8);
    const bool written = ::pwrite(fd->get(), &flipped, 1, place) == 1;
    (void)read(path, &failed);
    if (!written || !failed || ::pwrite(fd->get(), &byte, 1, place) != 1)
      FAIL("bit " << i % 8 << " of byte " << i / 8 << " was not noticed");
  }
  WriteBytes(path, *original + '\0');
  (void)read(path, &failed);
  CHECK(failed);
  WriteBytes(path, *original);
  CHECK(read(path, &failed) == truth);
  CHECK_FALSE(failed);
}

TEST_CASE("every damage to an object index is an error", "[fuse][object_index]") {
  StoreTree store;
  store.File("aaa-x/bin/run", "12345", true);
  store.File("aaa-x/file", "123");
  store.Symlink("aaa-x/link", "bin/run");
  store.Index("aaa-x", 1);
  CheckAllDamage(store.ObjectPath(1), ReadObject);
}

TEST_CASE("every damage to a view is an error", "[fuse][view_index]") {
  StoreTree store;
  store.View(1, {{"aaa-x", 3}, {"bbb-y", 4}});
  CheckAllDamage(store.ViewPath(1), ReadView);
}

TEST_CASE("records that are valid but impossible are EIO", "[fuse][object_index]") {
  // Checksums are right, so only the bounds stand between such a file and a crash or endless walk.
  struct Case {
    const char* what;
    uint64_t value;
    uint32_t parent;
    std::string name;
    uint8_t kind;
  };
  const auto bad = GENERATE(
      values<Case>({{"children behind the end", 1 | uint64_t{5} << 32, 0, "n", 0},
                    {"children that wrap around", 0xffffffff | uint64_t{2} << 32, 0, "n", 0},
                    {"its own child", 0 | uint64_t{1} << 32, 0, "n", 0},
                    {"a place without children", 1, 0, "n", 0},
                    {"a parent of the top", 0, 1, "n", 0},
                    {"an unknown kind", 0, 0, "n", 4},
                    {"a target outside", 100, 0, "n", 3},
                    {"no name", 0, 0, "", 1},
                    {"the name ..", 0, 0, "..", 1},
                    {"a name with a slash", 0, 0, "a/b", 1},
                    {"a name with a zero byte", 0, 0, std::string("a\0b", 3), 1}}));
  INFO(bad.what);
  StoreTree store;
  ObjectIndexRecord record{};
  record.value = bad.value;
  record.parent = bad.parent;
  record.name_length = static_cast<uint8_t>(bad.name.size());
  record.kind = bad.kind;
  const absl::string_view bytes(reinterpret_cast<const char*>(&record), sizeof record);
  record.crc = RecordCrc(0, bytes, bad.name, {});
  IndexHeader header{};
  header.magic = kObjectMagic;
  header.record_size = sizeof record;
  header.number = 1;
  REQUIRE_OK(WriteIndexFile(header, bytes, bad.name, store.ObjectPath(1)));
  const auto index = ObjectIndex::Open(AT_FDCWD, store.ObjectPath(1), 1);
  REQUIRE_OK(index);
  ObjectEntry entry;
  CHECK(index->ReadEntry(0, &entry) == EIO);
}

TEST_CASE("a file under another number, of another kind or version is refused",
          "[fuse][index_file]") {
  StoreTree store;
  store.File("aaa-x", "");
  store.Index("aaa-x", 1);
  CHECK(absl::IsDataLoss(ObjectIndex::Open(AT_FDCWD, store.ObjectPath(1), 2).status()));
  CHECK(absl::IsDataLoss(ViewIndex::Open(AT_FDCWD, store.ObjectPath(1), 1).status()));
  CHECK(absl::IsDataLoss(ObjectIndex::Open(AT_FDCWD, store.store(), 1).status()));
  CHECK(absl::IsNotFound(ObjectIndex::Open(AT_FDCWD, store.ObjectPath(2), 2).status()));

  auto bytes = ReadFile(store.ObjectPath(1));
  REQUIRE_OK(bytes);
  IndexHeader header;
  std::copy_n(bytes->data(), sizeof header, reinterpret_cast<char*>(&header));
  header.version = kIndexVersion + 1;
  const absl::string_view checked(reinterpret_cast<const char*>(&header),
                                  offsetof(IndexHeader, header_crc));
  header.header_crc = Crc32c(checked);
  bytes->replace(0, sizeof header, reinterpret_cast<const char*>(&header), sizeof header);
  WriteBytes(store.ObjectPath(1), *bytes);
  const auto newer = ObjectIndex::Open(AT_FDCWD, store.ObjectPath(1), 1);
  CHECK(absl::IsFailedPrecondition(newer.status()));
  CHECK(absl::StrContains(newer.status().message(), "version 2"));
}

}  // namespace
}  // namespace stowage
