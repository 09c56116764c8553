#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "fuse/index_format.h"

namespace stowage {

// Walks one store path and gathers records and text of its object index. One use per object; not
// thread-safe.
class ObjectIndexBuilder {
 public:
  // store_directory_fd is borrowed. Errors: as WriteObjectIndex.
  absl::Status Walk(int store_directory_fd, const std::string& base_name);

  const std::vector<ObjectIndexRecord>& records() const { return records_; }
  absl::string_view text() const { return text_; }
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  // A directory whose children have records and are being filled in, one after the other.
  struct OpenDirectory {
    UniqueFd fd;
    uint32_t next_child;
    uint32_t end_child;
  };

  // Fills in everything but the crc of record `index`, whose name and parent are known.
  // directory_fd: where the name is.
  absl::Status DescribeEntry(int directory_fd, uint32_t index);
  absl::Status DescribeSymlink(int directory_fd, uint32_t index, const char* name);
  // Makes records with names and types for the children of directory `index` and pushes it.
  absl::Status EnterDirectory(int directory_fd, uint32_t index, const char* name);
  absl::Status ReadNames(int directory_fd, uint32_t index);
  void AddRecord(absl::string_view name, uint32_t parent, uint8_t directory_entry_type);
  void Seal(uint32_t index);

  absl::string_view NameOf(uint32_t index) const;
  // The entry as a person would name it, for messages.
  std::string Shown(uint32_t index) const;
  absl::Status SystemError(absl::string_view action, uint32_t index) const;

  std::vector<ObjectIndexRecord> records_;
  std::string text_;
  uint64_t file_bytes_ = 0;
  std::vector<OpenDirectory> stack_;
  std::vector<char> listing_;  // buffer of getdents64

  struct ListedName {
    uint64_t offset;  // in names_
    uint8_t length;
    uint8_t type;  // DT_*
  };
  std::string names_;
  std::vector<ListedName> listed_;
};

}  // namespace stowage
