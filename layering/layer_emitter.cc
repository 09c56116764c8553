#include "layering/layer_emitter.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/annotate.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr uint64_t kGatherBytes = uint64_t{512} << 10;
constexpr uint64_t kSmallFileBytes = uint64_t{64} << 10;

}  // namespace

LayerEmitter::LayerEmitter(const LayerIndex& index, const TreeRoot& root, size_t below_root,
                           LayerSink& sink, uint64_t begin, uint64_t end)
    : index_(index),
      root_(root),
      below_root_(below_root),
      sink_(sink),
      begin_(begin),
      end_(end),
      opener_(root.directory_fd),
      // One small file and the byte that it must not have must always fit.
      gathered_(std::clamp(end - begin, kSmallFileBytes + 1, kGatherBytes), sink) {}

absl::Status LayerEmitter::Run() {
  const uint64_t end_of_entries = index_.end_of_entries();
  if (begin_ < std::min(end_, end_of_entries)) {
    for (LayerIndex::EntryNumber number = index_.Find(begin_); number < index_.entry_count();
         ++number) {
      const LayerIndex::Located located(index_, number);
      if (located.offset() >= end_) break;
      STOWAGE_RETURN_IF_ERROR(EmitEntry(located));
    }
  }
  STOWAGE_RETURN_IF_ERROR(EmitZeros(end_of_entries, index_.size_bytes()));
  return gathered_.Flush();
}

absl::Status LayerEmitter::EmitEntry(const LayerIndex::Located& located) {
  std::string header;
  AppendTarHeader(located.entry(), &header);
  const uint64_t content_offset = located.offset() + header.size();
  uint64_t from = located.offset();
  uint64_t to = content_offset;
  if (Clip(from, to))
    STOWAGE_RETURN_IF_ERROR(
        gathered_.Append(absl::string_view(header).substr(from - located.offset(), to - from)));
  STOWAGE_RETURN_IF_ERROR(EmitContent(located.entry(), content_offset));
  const uint64_t content_end = content_offset + located.entry().size_bytes;
  return EmitZeros(content_end, content_end + TarPaddingBytes(located.entry().size_bytes));
}

absl::Status LayerEmitter::EmitContent(const TarEntry& entry, uint64_t content_offset) {
  uint64_t from = content_offset;
  uint64_t to = content_offset + entry.size_bytes;
  if (!Clip(from, to)) return absl::OkStatus();
  const auto fd = opener_.Open(entry.path.substr(below_root_));
  if (absl::IsNotFound(fd.status())) return Changed(entry, "it has vanished");
  if (absl::IsFailedPrecondition(fd.status())) return Changed(entry, "its type has changed");
  if (!fd.ok()) return Annotate(fd.status(), absl::StrCat("read ", Shown(entry), " for a layer"));
  if (entry.size_bytes <= kSmallFileBytes)
    return GatherFile(fd->get(), entry, from - content_offset, to - content_offset);
  STOWAGE_RETURN_IF_ERROR(CheckDescribed(fd->get(), entry));
  STOWAGE_RETURN_IF_ERROR(gathered_.Flush());
  return sink_.File(fd->get(), from - content_offset, to - from);
}

absl::Status LayerEmitter::EmitZeros(uint64_t from, uint64_t to) {
  if (!Clip(from, to)) return absl::OkStatus();
  return gathered_.AppendZeros(to - from);
}

// Asking for one byte more than the file should have tells its size without another system call,
// and what is no regular file cannot be read at an offset.
absl::Status LayerEmitter::GatherFile(int fd, const TarEntry& entry, uint64_t from, uint64_t to) {
  STOWAGE_ASSIGN_OR_RETURN(char* room, gathered_.Reserve(entry.size_bytes + 1));
  const ssize_t count = ::pread(fd, room, entry.size_bytes + 1, 0);
  if (count < 0 || static_cast<uint64_t>(count) != entry.size_bytes) {
    STOWAGE_RETURN_IF_ERROR(CheckDescribed(fd, entry));
    const absl::Status read = PreadExactly(fd, room, entry.size_bytes, 0, Shown(entry));
    if (absl::IsOutOfRange(read)) return Changed(entry, "it has become shorter");
    STOWAGE_RETURN_IF_ERROR(read);
  }
  if (from > 0) std::memmove(room, room + from, to - from);
  gathered_.Commit(to - from);
  return absl::OkStatus();
}

absl::Status LayerEmitter::CheckDescribed(int fd, const TarEntry& entry) const {
  struct stat status;
  if (::fstat(fd, &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", Shown(entry)));
  if (!S_ISREG(status.st_mode)) return Changed(entry, "its type has changed");
  if (static_cast<uint64_t>(status.st_size) != entry.size_bytes)
    return Changed(entry, absl::StrCat("its size has changed from ", entry.size_bytes, " to ",
                                       status.st_size, " bytes"));
  return absl::OkStatus();
}

absl::Status LayerEmitter::Changed(const TarEntry& entry, absl::string_view how) const {
  return absl::DataLossError(
      absl::StrCat("read ", Shown(entry), " for a layer: ", how,
                   " since the layer was described; 'nix-store --verify --check-contents' finds "
                   "what else is damaged"));
}

std::string LayerEmitter::Shown(const TarEntry& entry) const {
  return absl::StrCat(root_.shown, "/", entry.path.substr(below_root_));
}

bool LayerEmitter::Clip(uint64_t& from, uint64_t& to) const {
  from = std::max(from, begin_);
  to = std::min(to, end_);
  return from < to;
}

}  // namespace stowage
