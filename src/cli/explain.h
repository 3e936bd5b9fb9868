#pragma once

// Errors for people: what happened, why, and what to do about it. Pure.

#include <absl/status/status.h>

#include <nlohmann/json.hpp>
#include <string>

namespace coterie::cli {

// An error of this program's own with a fix.
absl::Status Error(absl::StatusCode code, const std::string& what, const std::string& fix);

// The same error; of a version that is not there, with how to find those that are.
absl::Status WithVersionsFix(absl::Status status, const std::string& document);

struct Explanation {
  std::string what;
  std::string why;  // May be empty.
  std::string fix;  // May be empty.
};

Explanation Explain(const absl::Status& status);

// "error: WHAT\n  why: WHY\n  fix: FIX\n"
std::string ErrorText(const absl::Status& status);
// {"v":1,"error":{"code","reason","what","why","fix","metadata"}}
nlohmann::json ErrorJson(const absl::Status& status);

}  // namespace coterie::cli
