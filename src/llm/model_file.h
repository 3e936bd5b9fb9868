#pragma once

// Which model file to serve, and what to tell a person who has none. Looks at names only.

#include <absl/status/statusor.h>

#include <string>

namespace coterie::llm {

inline constexpr char kModelsFolder[] = "models";

// `wanted` if it is not empty, else the only *.gguf in `folder`. kNotFound, with what to download
// to where; kInvalidArgument: several.
absl::StatusOr<std::string> FindModel(const std::string& wanted, const std::string& folder);

}  // namespace coterie::llm
