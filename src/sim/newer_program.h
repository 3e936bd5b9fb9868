#pragma once

// What a node of a version that is yet to come may say to one of this: messages of a later version,
// and requests that only it knows. Pure functions.

#include <string>

#include "base/ids.h"
#include "base/prng.h"

namespace coterie::sim {

// A whole frame from `from` to `to`, at random.
std::string SayAsNewerProgram(NodeId from, NodeId to, Prng& prng);

}  // namespace coterie::sim
