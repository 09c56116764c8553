#include "layering/profile_archive.h"

#include <limits.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "layering/profile_defaults.h"
#include "layering/tar_header.h"
#include "nix/store_path.h"

namespace stowage {
namespace {

constexpr char kExtendedHeader = 'x';

absl::string_view Field(absl::string_view block, size_t offset, size_t bytes) {
  const absl::string_view field = block.substr(offset, bytes);
  return field.substr(0, field.find('\0'));
}

// Digits up to the field's end or something else: what is not as it should be gives another header.
uint64_t Octal(absl::string_view field) {
  uint64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') break;
    value = value * 8 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

// Reads leniently and compares then: an entry is taken if the header that is made of it again is
// the one that was read.
class Reader {
 public:
  explicit Reader(absl::string_view tar) : tar_(tar) {}

  absl::StatusOr<Profile> Read() {
    Profile profile = {{}, {}, Sha256("")};
    while (tar_.size() - at_ > kTarTrailerBytes) {
      STOWAGE_ASSIGN_OR_RETURN(ProfileEntry entry, TakeEntry());
      profile.entries.push_back(std::move(entry));
    }
    if (tar_.substr(at_) != std::string(kTarTrailerBytes, '\0')) return Wrong("the end of the tar");
    profile.key = Sha256(EncodeProfile(profile));
    return profile;
  }

 private:
  struct Header {
    TarEntry entry;  // views into the tar, but for the path
    std::string path;
    size_t bytes = 0;
  };

  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("the tar of a profile: ", what, " at byte ", at_, " is not canonical"));
  }

  // Finds the header of the entry at at_, and what an extended header before it says. False: that
  // one cannot be read.
  bool FindBlock(absl::string_view* block, absl::string_view* path, absl::string_view* link) const;
  absl::StatusOr<Header> ReadHeader() const;
  absl::StatusOr<absl::string_view> ReadContent(const Header& header) const;
  absl::StatusOr<ProfileEntry> TakeEntry();
  bool Follows(const ProfileEntry& entry);

  const absl::string_view tar_;
  size_t at_ = 0;
  // The directories that the entry before lies in, itself included if it is one; and that entry.
  std::vector<std::string> open_;
  std::string previous_;
};

bool Reader::FindBlock(absl::string_view* block, absl::string_view* path,
                       absl::string_view* link) const {
  absl::string_view rest = tar_.substr(at_);
  *block = rest.substr(0, kTarBlockBytes);
  if ((*block)[156] != kExtendedHeader) return true;
  const uint64_t bytes = Octal(Field(*block, 124, 12));
  const uint64_t behind = kTarBlockBytes + bytes + TarPaddingBytes(bytes);
  if (bytes > size_t{4} * PATH_MAX || behind + kTarBlockBytes > rest.size()) return false;
  absl::string_view records = rest.substr(kTarBlockBytes, bytes);
  *block = rest.substr(behind, kTarBlockBytes);
  while (!records.empty()) {
    size_t length = 0;
    const size_t space = records.find(' ');
    if (space == absl::string_view::npos || space > 5) return false;
    for (const char c : records.substr(0, space)) {
      if (c < '0' || c > '9') return false;
      length = length * 10 + static_cast<size_t>(c - '0');
    }
    if (length <= space + 1 || length > records.size()) return false;
    absl::string_view record = records.substr(space + 1, length - space - 2);
    records.remove_prefix(length);
    if (absl::ConsumePrefix(&record, "path=")) *path = record;
    if (absl::ConsumePrefix(&record, "linkpath=")) *link = record;
  }
  return true;
}

// Canonical order: depth first, names of a directory by bytes. So the parent is one of the
// directories that are open, and the name is greater than that of the sibling before.
bool Reader::Follows(const ProfileEntry& entry) {
  const std::vector<std::string> parts = absl::StrSplit(entry.path, '/');
  const bool has_names = std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() && part.size() <= NAME_MAX && part != "." && part != ".." &&
           part.find('\0') == std::string::npos;
  });
  if (!has_names || entry.path.size() >= PATH_MAX) return false;
  const size_t depth = parts.size() - 1;
  if (open_.size() < depth || !std::equal(parts.begin(), parts.end() - 1, open_.begin()))
    return false;
  const std::vector<std::string> before = absl::StrSplit(previous_, '/', absl::SkipEmpty());
  if (before.size() > depth && before[depth] >= parts[depth]) return false;
  open_.resize(depth);
  if (entry.type == ProfileEntry::Type::kDirectory) open_.push_back(parts.back());
  previous_ = entry.path;
  return true;
}

absl::StatusOr<Reader::Header> Reader::ReadHeader() const {
  absl::string_view block, path, link;
  if (tar_.size() - at_ < kTarBlockBytes || !FindBlock(&block, &path, &link))
    return Wrong("the header");
  Header header;
  const char type = block[156];
  header.entry.type = type == '5'   ? TarEntry::Type::kDirectory
                      : type == '2' ? TarEntry::Type::kSymlink
                                    : TarEntry::Type::kFile;
  header.entry.mode = static_cast<uint32_t>(Octal(Field(block, 100, 8)));
  header.entry.size_bytes = Octal(Field(block, 124, 12));
  header.entry.link_target = link.empty() ? Field(block, 157, 100) : link;
  const absl::string_view prefix = Field(block, 345, 155);
  header.path = !path.empty()
                    ? std::string(path)
                    : absl::StrCat(prefix, prefix.empty() ? "" : "/", Field(block, 0, 100));
  header.entry.path = header.path;
  std::string again;
  AppendTarHeader(header.entry, &again);
  if (!absl::StartsWith(tar_.substr(at_), again)) return Wrong("the header");
  header.entry.path = {};  // would end with this object
  header.bytes = again.size();
  return header;
}

// The bytes of a file behind its header, and the padding behind them.
absl::StatusOr<absl::string_view> Reader::ReadContent(const Header& header) const {
  const absl::string_view rest = tar_.substr(at_ + header.bytes);
  const uint64_t size = header.entry.size_bytes;
  if (size > rest.size() || TarPaddingBytes(size) > rest.size() - size ||
      (size > 0 && header.entry.type != TarEntry::Type::kFile) ||
      rest.substr(size, TarPaddingBytes(size)) != std::string(TarPaddingBytes(size), '\0'))
    return Wrong("the content");
  return rest.substr(0, size);
}

absl::StatusOr<ProfileEntry> Reader::TakeEntry() {
  STOWAGE_ASSIGN_OR_RETURN(const Header header, ReadHeader());
  STOWAGE_ASSIGN_OR_RETURN(const absl::string_view content, ReadContent(header));
  absl::string_view place = header.path;
  ProfileEntry entry;
  entry.mode = header.entry.mode;
  if (header.entry.type == TarEntry::Type::kDirectory) {
    entry.type = ProfileEntry::Type::kDirectory;
    if (!absl::ConsumeSuffix(&place, "/")) return Wrong("the path");
  } else if (header.entry.type == TarEntry::Type::kSymlink) {
    entry.type = ProfileEntry::Type::kSymlink;
    entry.content = std::string(header.entry.link_target);
    if (entry.content.empty() || entry.content.size() >= PATH_MAX) return Wrong("the target");
  } else {
    entry.type = ProfileEntry::Type::kFile;
    entry.content = std::string(content);
  }
  entry.path = std::string(place);
  if (!Follows(entry)) return Wrong("the path");
  at_ += header.bytes + content.size() + TarPaddingBytes(content.size());
  return entry;
}

// Those whose mode is not 0755.
uint32_t DirectoryMode(absl::string_view path) {
  for (const ProfileDirectory& directory : kProfileDirectories)
    if (directory.path == path) return directory.mode;
  return 0755;
}

bool LeadsInto(absl::string_view target, absl::Span<const std::string> packages) {
  if (!absl::ConsumePrefix(&target, absl::StrCat(kStoreDirectory, "/"))) return false;
  const absl::string_view base_name = target.substr(0, target.find('/'));
  const std::vector<absl::string_view> parts = absl::StrSplit(target, '/');
  return std::find(packages.begin(), packages.end(), base_name) != packages.end() &&
         std::none_of(parts.begin(), parts.end(), [](absl::string_view part) {
           return part.empty() || part == "." || part == "..";
         });
}

bool CanBeComposed(const ProfileEntry& entry, absl::Span<const std::string> packages) {
  switch (entry.type) {
    case ProfileEntry::Type::kDirectory:
      return entry.mode == DirectoryMode(entry.path);
    case ProfileEntry::Type::kSymlink:
      return entry.mode == 0777 && ((entry.path == "usr/bin/env" && entry.content == "/bin/env") ||
                                    LeadsInto(entry.content, packages));
    case ProfileEntry::Type::kFile:
      break;
  }
  return std::any_of(
      std::begin(kProfileFiles), std::end(kProfileFiles), [&](const ProfileFile& file) {
        return file.path == entry.path && file.content == entry.content && entry.mode == 0644;
      });
}

}  // namespace

absl::StatusOr<Profile> ReadProfileArchive(absl::string_view tar) {
  if (tar.size() > kMaxProfileArchiveBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("the tar of a profile is longer than ", kMaxProfileArchiveBytes, " bytes"));
  if (tar.size() < kTarTrailerBytes)
    return absl::InvalidArgumentError("the tar of a profile is cut off");
  return Reader(tar).Read();
}

absl::Status CheckProfile(const Profile& profile, absl::Span<const std::string> packages) {
  for (const ProfileEntry& entry : profile.entries)
    if (!CanBeComposed(entry, packages))
      return absl::InvalidArgumentError(absl::StrCat(
          "no profile of these packages has /", absl::CHexEscape(entry.path), " as it is there"));
  return absl::OkStatus();
}

}  // namespace stowage
