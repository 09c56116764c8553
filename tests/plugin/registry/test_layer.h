#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/digest.h"
#include "layering/layer_archive.h"
#include "tests/support/temporary_directory.h"

namespace stowage::testing {

// A layer of a store path with many small files and one large file, which is sent by sendfile(2).
class TestLayer {
 public:
  explicit TestLayer(uint64_t large_file_bytes = 400000);

  const std::shared_ptr<const LayerArchive>& archive() const { return archive_; }
  const std::string& content() const { return content_; }  // the whole tar
  const Digest& digest() const { return digest_; }
  // Damages the store behind the layer's back.
  // file: "large" (first in the tar) or "small/0" to "small/199".
  void Resize(const std::string& file, uint64_t size_bytes) const;

 private:
  const TemporaryDirectory store_;
  const std::shared_ptr<const LayerArchive> archive_;
  const std::string content_;
  const Digest digest_;
};

}  // namespace stowage::testing
