#pragma once

// Which program this is, for `--version` and for those who look at a cluster while it is upgraded.
// CMake reads it here for the package.

namespace coterie::runtime {

inline constexpr char kProgramVersion[] = "0.1.0";

}  // namespace coterie::runtime
