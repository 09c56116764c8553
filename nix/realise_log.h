#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nix/internal_json.h"
#include "nix/realisation.h"

namespace stowage {

// Follows the log of one `nix-store --realise`: how far it is, and, if it fails, why. Memory is
// bounded whatever a builder prints. Not thread-safe.
class RealiseLog {
 public:
  // A line of standard error, an event of internal-json or not.
  void AddLine(absl::string_view line);

  // The state now. log_line is the newest since the last call.
  RealiseProgress TakeProgress();

  // Nix's own words for the failure, its first line only.
  std::string Reason() const;
  // Derivations that an error message names, in order: what failed first, then what needed it.
  std::vector<std::string> FailedDerivations() const;
  // The last lines that the failed builder printed, at most 20; empty if it is not known or printed
  // nothing.
  std::vector<std::string> BuilderTail() const;

 private:
  struct Activity {
    int64_t type = 0;
    std::string path;  // derivation, or store path copied
    uint64_t done = 0;
    uint64_t expected = 0;
  };

  void Start(const NixLogEvent& event);
  void Stop(uint64_t id);
  void Result(const NixLogEvent& event);
  void AddBuilderLine(const std::string& derivation, std::string line);
  void AddError(std::string text);

  std::map<uint64_t, Activity> activities_;  // running; ordered, so that the newest is the last
  std::map<std::string, std::deque<std::string>> tails_;  // by derivation
  std::deque<std::string> tail_order_;                    // derivations in tails_, oldest first
  std::vector<std::string> errors_;
  std::string last_plain_line_;
  std::string log_line_;
  uint64_t builds_done_ = 0;
  uint64_t builds_expected_ = 0;
  uint64_t copied_bytes_ = 0;  // of copies that have ended
};

}  // namespace stowage
