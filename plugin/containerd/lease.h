#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugin/containerd/rpc.h"

namespace stowage {

// A containerd lease: what is written under it is safe from garbage collection. Deleted when the
// object goes; should this process die first, it expires after an hour.
class Lease {
 public:
  static absl::StatusOr<Lease> Create(const CallScope& scope);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  // Deletes the lease if Delete() did not. An error is lost here, and harmless: the lease expires.
  ~Lease();

  // The scope given to Create, with this lease in it.
  const CallScope& scope() const { return scope_; }

  // Ends the lease now. Errors: what containerd answered.
  absl::Status Delete();

 private:
  explicit Lease(CallScope scope) : scope_(std::move(scope)) {}

  CallScope scope_;  // scope_.lease is empty when there is nothing to delete
};

}  // namespace stowage
