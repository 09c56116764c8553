#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nix/call_limits.h"
#include "nix/nix_options.h"

namespace stowage {

// What resolve.nix found for one name; fields that a status does not mention are empty.
struct AttributeLookup {
  enum class Status {
    kOk,           // attribute, derivation, output, out, pname, version, main_program
    kMissing,      // parent has no attribute `at`; names: attributes that begin alike
    kAmbiguous,    // names: attributes of parent that differ in nothing but case
    kNotAPackage,  // attribute is a `kind`
    kFails,        // evaluation failed
  };
  Status status = Status::kFails;
  std::vector<std::string> attribute;
  std::vector<std::string> parent;
  std::vector<std::string> names;
  std::string at, kind, derivation, output, out, pname, version, main_program;
};

struct AttributeLookupRequest {
  std::string set_path;
  std::string system;
  std::vector<std::vector<std::string>> names;  // decoded attribute paths
  // Let what fails to evaluate end the call, so that the error says why.
  bool explain = false;
};

// Runs resolve.nix once; one result per name, in order. Errors: FailedPrecondition with Nix's
// message if the evaluation as a whole ended with an error; those of RunNix; Internal if Nix
// answered something else than resolve.nix says.
absl::StatusOr<std::vector<AttributeLookup>> LookUpAttributes(const NixOptions& options,
                                                              const AttributeLookupRequest& request,
                                                              const CallLimits& limits);

}  // namespace stowage
