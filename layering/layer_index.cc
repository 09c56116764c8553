#include "layering/layer_index.h"

#include <algorithm>
#include <limits>

namespace stowage {

LayerIndex::Located::Located(const LayerIndex& index, EntryNumber number)
    : path_(index.Path(number)), offset_(index.records_[number].offset) {
  const Record& record = index.records_[number];
  entry_.type = record.type;
  entry_.mode = record.mode;
  entry_.path = path_;
  if (record.type == TarEntry::Type::kFile) entry_.size_bytes = record.size_bytes;
  if (record.type == TarEntry::Type::kSymlink)
    entry_.link_target = absl::string_view(index.text_)
                             .substr(record.text_offset + record.name_bytes, record.size_bytes);
}

absl::StatusOr<LayerIndex::EntryNumber> LayerIndex::Add(EntryNumber parent, const TarEntry& entry) {
  if (records_.size() >= kTop ||
      text_.size() + entry.path.size() + entry.link_target.size() >
          std::numeric_limits<uint32_t>::max() ||
      entry.path.size() > std::numeric_limits<uint16_t>::max())
    return absl::ResourceExhaustedError("describe a layer: too many entries for one index");
  const EntryNumber number = static_cast<EntryNumber>(records_.size());
  const bool is_symlink = entry.type == TarEntry::Type::kSymlink;
  records_.push_back({.offset = end_of_entries_,
                      .size_bytes = is_symlink ? entry.link_target.size() : entry.size_bytes,
                      .parent = parent,
                      .text_offset = static_cast<uint32_t>(text_.size()),
                      .name_bytes = static_cast<uint16_t>(entry.path.size()),
                      .mode = static_cast<uint16_t>(entry.mode),
                      .type = entry.type});
  text_.append(entry.path.data(), entry.path.size());
  if (is_symlink) text_.append(entry.link_target.data(), entry.link_target.size());
  const Located located(*this, number);
  const uint64_t content_bytes = located.entry().size_bytes;
  end_of_entries_ +=
      TarHeaderBytes(located.entry()) + content_bytes + TarPaddingBytes(content_bytes);
  return number;
}

void LayerIndex::ShrinkToFit() {
  records_.shrink_to_fit();
  text_.shrink_to_fit();
}

LayerIndex::EntryNumber LayerIndex::Find(uint64_t offset) const {
  const auto after =
      std::upper_bound(records_.begin(), records_.end(), offset,
                       [](uint64_t value, const Record& record) { return value < record.offset; });
  return static_cast<EntryNumber>(after - records_.begin() - 1);
}

std::string LayerIndex::Path(EntryNumber number) const {
  // Parents are known from the end of the path to its beginning: measured first, then filled in
  // from behind.
  size_t bytes = 0;
  for (EntryNumber at = number; at != kTop; at = records_[at].parent)
    bytes += records_[at].name_bytes + size_t{1};
  const bool is_directory = records_[number].type == TarEntry::Type::kDirectory;
  std::string path(is_directory ? bytes : bytes - 1, '/');
  size_t end = bytes - 1;
  for (EntryNumber at = number; at != kTop; at = records_[at].parent) {
    const absl::string_view name = Name(records_[at]);
    name.copy(path.data() + (end - name.size()), name.size());
    end -= std::min(end, name.size() + 1);
  }
  return path;
}

}  // namespace stowage
