#pragma once

// A delta as Quill and Y.Text write it: a JSON array of ops, or an object with it under "ops". An
// op has one of "insert" (a string, or any other JSON value as an embed), "retain" and "delete"
// (numbers), and may have "attributes" (an object; null ends one). Pure functions.
// Source: Quill's delta format; yjs 13.6, applyDelta in src/types/YText.js.

#include <string>
#include <string_view>
#include <vector>

#include "state/command.h"

namespace coterie::state {

struct ParsedDelta {
  std::vector<DeltaStep> steps;
  std::string why_not;  // What is wrong with it, as a sentence; empty if nothing is.
};
ParsedDelta ParseDeltaJson(std::string_view json);

}  // namespace coterie::state
