#pragma once

// Which program this is, for those who look at a cluster while it is upgraded.

namespace coterie::runtime {

inline constexpr char kProgramVersion[] = "0.1.0";

}  // namespace coterie::runtime
