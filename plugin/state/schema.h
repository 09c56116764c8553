#pragma once

#include <cstdint>

namespace stowage {

// Version of the tables below, kept in PRAGMA user_version.
inline constexpr int64_t kSchemaVersion = 3;

// SQL that creates all tables of stowage.db.
extern const char kSchema[];

// SQL that brings the tables of the version before to this one.
extern const char kUpgradeOfVersionBefore[];

}  // namespace stowage
