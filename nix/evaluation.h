#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nix/call_limits.h"
#include "nix/nix_options.h"
#include "nix/store_path.h"

namespace stowage {

// One package as the set describes it.
struct EvaluatedPackage {
  std::string name;                    // as it was asked for
  std::vector<std::string> attribute;  // real spelling: {"python3Packages", "requests"}
  std::string derivation;              // "/nix/store/HASH-NAME.drv"; valid, but not rooted
  std::string output;                  // "out", "man", ...
  StorePath out_path;                  // of that output; need not be valid yet
  std::string pname;                   // these three are "" where the set does not say
  std::string version;
  std::string main_program;
};

struct EvaluationRequest {
  // File or directory for Nix's `import`, absolute, links resolved. The set is a function of
  // { system, ... }.
  std::string set_path;
  std::string system;              // "x86_64-linux"
  std::vector<std::string> names;  // attribute paths as in ImageReference::packages()
  std::vector<std::string>
      optional_names;  // the same; those that the set does not have are left out
};

struct Evaluation {
  std::vector<EvaluatedPackage> packages;  // in the order of names, then of optional_names found
};

// Looks packages up in a package set by `nix-instantiate`, one process for all names.
//
// Look-up at each level: the name as it is; "_NAME" for a name that begins with a digit; either
// without regard to case. Evaluation is restricted: it reads the set's own directory only, has no
// network and builds nothing. Thread-safe.
class NixEvaluator {
 public:
  explicit NixEvaluator(NixOptions options) : options_(std::move(options)) {}

  // Errors: NotFound, the message naming all names that are missing and similar ones;
  // InvalidArgument for a name that is no package (its kind in the message) or means several
  // attributes (all in the message); FailedPrecondition with Nix's reason in the first line for a
  // package or set that does not evaluate; DeadlineExceeded, Cancelled; Unavailable if Nix cannot
  // work (no daemon); ResourceExhausted for a full disk. A message about several names lists all.
  absl::StatusOr<Evaluation> Evaluate(const EvaluationRequest& request, const CallLimits& limits);

 private:
  NixOptions options_;
};

}  // namespace stowage
