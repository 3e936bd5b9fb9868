#pragma once

// A promise is broken: says which and stops the process, as CHECK does. Whoever runs many seeds
// runs them in processes of their own.

#include <string_view>

namespace coterie::sim {

// Said first by Violate(), and by whoever catches the signal of a failed CHECK: how to see it
// again.
void SetReplayHint(std::string_view command);
// Prints the hint with async-signal-safe calls only.
void PrintReplayHint();

[[noreturn]] void Violate(std::string_view what);

}  // namespace coterie::sim
