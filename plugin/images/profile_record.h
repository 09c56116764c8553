#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/digest.h"
#include "layering/profile.h"
#include "plugin/images/layer_table.h"

namespace stowage {

// What a profile layer is, kept when its directory goes with the last image that is held:
// <state>/profile_records/<diff_id>. Some kilobytes, kept for ever like the records of layers.
// Thread-safe.

// Makes the directory and removes what killed processes have left unfinished there; before the
// rest.
absl::Status OpenProfileRecords(const std::string& state_directory);

// content_key of the layer that holds this profile.
Digest ProfileContentKey(const Digest& profile_key);

// Nothing is written if it is there already.
absl::Status RecordProfile(const std::string& state_directory, const Digest& diff_id,
                           const Profile& profile);

// Makes the layer's directory again unless it is there. Errors: NotFound without a record, DataLoss
// for one that is not this layer's; those of writing.
absl::Status RestoreProfile(const std::string& state_directory, const LayerRecord& layer,
                            const std::string& directory);

}  // namespace stowage
