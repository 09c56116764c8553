#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status from the enclosing function unless it is OK.
#define STOWAGE_RETURN_IF_ERROR(expression)                                                      \
  do {                                                                                           \
    if (absl::Status stowage_status = (expression); !stowage_status.ok()) return stowage_status; \
  } while (false)

#define STOWAGE_CONCATENATE_INNER(a, b) a##b
#define STOWAGE_CONCATENATE(a, b) STOWAGE_CONCATENATE_INNER(a, b)
#define STOWAGE_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return std::move(result).status();             \
  target = *std::move(result)

// Assigns the value of a StatusOr to `target` (which may be a declaration), or returns its status.
#define STOWAGE_ASSIGN_OR_RETURN(target, expression) \
  STOWAGE_ASSIGN_OR_RETURN_INNER(STOWAGE_CONCATENATE(stowage_result_, __LINE__), target, expression)
