#pragma once

// The two macros by which a function hands an error on to its caller.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#define RETURN_IF_ERROR(expression)                                                   \
  do {                                                                                \
    if (absl::Status status_macro_status = (expression); !status_macro_status.ok()) { \
      return status_macro_status;                                                     \
    }                                                                                 \
  } while (false)

#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_NAMED_(STATUS_MACRO_CONCAT_(status_or_, __LINE__), target, expression)
#define ASSIGN_OR_RETURN_NAMED_(name, target, expression) \
  auto name = (expression);                               \
  if (!name.ok()) return std::move(name).status();        \
  target = *std::move(name)
#define STATUS_MACRO_CONCAT_(a, b) STATUS_MACRO_CONCAT_INNER_(a, b)
#define STATUS_MACRO_CONCAT_INNER_(a, b) a##b
