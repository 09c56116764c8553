#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/sqlite.h"

namespace stowage {

// Opens stowage.db and brings its schema (plugin/state/schema.cc) to this version.
//
// Every component opens a connection of its own; SQLite's WAL lets readers and the one writer work
// side by side. Errors: FailedPrecondition for a database written by a newer version; else as
// SqliteDatabase::Open.
absl::StatusOr<SqliteDatabase> OpenStateDatabase(const std::string& path);

}  // namespace stowage
