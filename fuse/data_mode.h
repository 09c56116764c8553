#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/log.h"

namespace stowage {

// How a file's bytes reach the reader. Of a connection, for its life: a kernel that was once told
// to do without OPEN never sends one again, and without OPEN no file can be passed through.
enum class DataMode : uint32_t {
  kCached = 0,       // OPEN is answered ENOSYS; READ is served from pages of FUSE's own
  kPassthrough = 1,  // OPEN names the store's file; the kernel reads that one (Linux 6.9)
};

// As it is written in the log and on the command line.
absl::string_view DataModeName(DataMode mode);

// "cached", "passthrough" or "auto", for a store behind this descriptor (O_PATH is enough). Auto is
// passthrough where it works, else cached; the log says why. Errors: FailedPrecondition if
// passthrough is wanted and does not work, with the reason; InvalidArgument for another word.
absl::StatusOr<DataMode> ChooseDataMode(absl::string_view wanted, int store_directory_fd,
                                        const LogFunction& log);

}  // namespace stowage
