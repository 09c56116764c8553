#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "layering/profile.h"

namespace stowage {

// Of the tar of a profile layer that another Stowage has sent.
inline constexpr size_t kMaxProfileArchiveBytes = size_t{64} << 20;

// The profile, without its conflicts, whose layer is this tar (docs/layer-format.md). Takes only
// what is canonical to the byte: WriteProfile and LayerArchive::ForDirectory give the same tar
// again. Paths lead nowhere but down and never through a link.
//
// Errors: InvalidArgument saying at which byte the tar is none of a profile.
absl::StatusOr<Profile> ReadProfileArchive(absl::string_view tar);

// Whether ComposeProfile could have made the profile of these packages: directories and modes,
// links that lead into the packages only, files that every profile has. Errors: InvalidArgument
// naming the entry that it never makes.
absl::Status CheckProfile(const Profile& profile, absl::Span<const std::string> packages);

}  // namespace stowage
