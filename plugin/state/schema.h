#pragma once

#include <cstdint>

namespace stowage {

// Version of the tables below, kept in PRAGMA user_version.
inline constexpr int64_t kSchemaVersion = 1;

// SQL that creates all tables of stowage.db.
extern const char kSchema[];

}  // namespace stowage
