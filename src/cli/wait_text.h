#pragma once

// What an update waits for, as a person would say it. Pure function.

#include <string>

#include "crdt/doctor.h"

namespace coterie::cli {

// "client 5 up to clock 4, client 9 up to clock 0, and 3 more clients". Requires that it is not
// empty.
std::string WaitText(const crdt::Waiting& waiting);

}  // namespace coterie::cli
