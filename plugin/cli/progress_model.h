#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "proto/stowage/stowage.pb.h"

namespace stowage {

// What is known about a running Resolve, gathered from its events. Text in it is printable. Not
// thread-safe.
class ProgressModel {
 public:
  explicit ProgressModel(absl::Time start) : start_(start) {}

  // Takes an event in. Later events win; an empty message or log line keeps the one before, within
  // one phase.
  void Update(const v1::Progress& progress, absl::Time now);

  v1::Progress::Phase phase() const { return phase_; }
  uint64_t done() const { return done_; }
  uint64_t total() const { return total_; }  // 0: not known
  const std::string& message() const { return message_; }
  const std::string& log_line() const { return log_line_; }
  absl::Duration Elapsed(absl::Time now) const { return now - start_; }
  // done() per second since the phase's first event; 0 while there is nothing to tell.
  double Rate(absl::Time now) const;

 private:
  absl::Time start_;
  v1::Progress::Phase phase_ = v1::Progress::PHASE_UNSPECIFIED;
  absl::Time phase_start_;
  uint64_t phase_start_done_ = 0;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::string message_;
  std::string log_line_;
};

// What people read for a phase: "evaluating". "working" for a phase of a newer daemon.
std::string PhaseName(v1::Progress::Phase phase);

// How far the phase is: "2 of 7", "3", "120.0 MiB of 1.2 GiB"; empty while nothing is counted.
std::string ProgressCount(const ProgressModel& model);

}  // namespace stowage
