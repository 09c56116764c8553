#include "layering/layer_emitter.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "layering/open_beneath.h"

namespace stowage {
namespace {

constexpr uint64_t kGatherBytes = uint64_t{512} << 10;
constexpr uint64_t kSmallFileBytes = uint64_t{64} << 10;

absl::Status Changed(const std::string& shown, absl::string_view how) {
  return absl::DataLossError(
      absl::StrCat("read ", shown, " for a layer: ", how,
                   " since the layer was described; 'nix-store --verify --check-contents' finds "
                   "what else is damaged"));
}

// Opens a file and makes sure that it is still the one described.
absl::StatusOr<UniqueFd> OpenDescribed(const TreeRoot& root, const std::string& path,
                                       uint64_t size_bytes) {
  const std::string shown = absl::StrCat(root.shown, "/", path);
  // O_NONBLOCK: a fifo in the file's place must not stop this thread.
  auto fd = OpenBeneath(root.directory_fd, path, O_RDONLY | O_NONBLOCK);
  if (absl::IsNotFound(fd.status())) return Changed(shown, "it has vanished");
  if (absl::IsFailedPrecondition(fd.status())) return Changed(shown, "its type has changed");
  if (!fd.ok()) return fd.status();
  struct stat status;
  if (::fstat(fd->get(), &status) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("stat ", shown));
  if (!S_ISREG(status.st_mode)) return Changed(shown, "its type has changed");
  if (static_cast<uint64_t>(status.st_size) != size_bytes)
    return Changed(shown, absl::StrCat("its size has changed from ", size_bytes, " to ",
                                       status.st_size, " bytes"));
  return fd;
}

}  // namespace

LayerEmitter::LayerEmitter(const LayerIndex& index, const TreeRoot& root, size_t below_root,
                           LayerSink& sink, uint64_t begin, uint64_t end)
    : index_(index),
      root_(root),
      below_root_(below_root),
      sink_(sink),
      begin_(begin),
      end_(end),
      // One small file must always fit.
      gathered_(std::clamp(end - begin, kSmallFileBytes, kGatherBytes), sink) {}

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
  const std::string path(entry.path.substr(below_root_));
  STOWAGE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenDescribed(root_, path, entry.size_bytes));
  if (entry.size_bytes <= kSmallFileBytes)
    return ReadInto(fd.get(), from - content_offset, to - from, path);
  STOWAGE_RETURN_IF_ERROR(gathered_.Flush());
  return sink_.File(fd.get(), from - content_offset, to - from);
}

absl::Status LayerEmitter::EmitZeros(uint64_t from, uint64_t to) {
  if (!Clip(from, to)) return absl::OkStatus();
  return gathered_.AppendZeros(to - from);
}

absl::Status LayerEmitter::ReadInto(int fd, uint64_t offset, size_t size, const std::string& path) {
  STOWAGE_ASSIGN_OR_RETURN(char* room, gathered_.Reserve(size));
  const std::string shown = absl::StrCat(root_.shown, "/", path);
  const absl::Status read = PreadExactly(fd, room, size, offset, shown);
  if (absl::IsOutOfRange(read)) return Changed(shown, "it has become shorter");
  STOWAGE_RETURN_IF_ERROR(read);
  gathered_.Commit(size);
  return absl::OkStatus();
}

bool LayerEmitter::Clip(uint64_t& from, uint64_t& to) const {
  from = std::max(from, begin_);
  to = std::min(to, end_);
  return from < to;
}

}  // namespace stowage
