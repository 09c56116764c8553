#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nix/closure_reader.h"

namespace stowage {

// Reads Nix's own database, read-only, in one read transaction per call (schema 10: Nix 2.0 to
// 2.36, libstore/schema.sql).
class SqliteClosureReader : public ClosureReader {
 public:
  // database_directory: holds db.sqlite and schema, as /nix/var/nix/db.
  // store_directory: where CheckPathsValid looks for the files; other than kStoreDirectory in tests
  // only. Errors: FailedPrecondition for a schema other than 10; those of opening the files.
  static absl::StatusOr<std::unique_ptr<SqliteClosureReader>> Open(
      const std::string& database_directory,
      const std::string& store_directory = std::string(kStoreDirectory));

  absl::StatusOr<Closure> Read(absl::Span<const StorePath> roots) override;
  absl::Status CheckPathsValid(absl::Span<const StorePath> paths) override;
  absl::StatusOr<std::vector<std::optional<Digest>>> NarHashes(
      absl::Span<const StorePath> paths) override;

 private:
  SqliteClosureReader(std::string database_path, std::string store_directory)
      : database_path_(std::move(database_path)), store_directory_(std::move(store_directory)) {}

  const std::string database_path_;
  const std::string store_directory_;
};

}  // namespace stowage
