#pragma once

// Faults that other projects have shipped (the list of 38 in docs/testing.md), put back into our
// code on purpose: a test that does not notice them shows nothing. Only a build with the CMake
// option COTERIE_MUTANTS can turn one on; in every other build IsMutant() is the constant false and
// the faulty branch is not compiled in. `coterie-sim --mutants` runs them.

namespace coterie {

#ifdef COTERIE_MUTANTS
// The number of the fault at work; 0 = none. Set once, before anything runs.
inline int active_mutant = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
inline bool IsMutant(int number) { return active_mutant == number; }
#else
constexpr bool IsMutant(int /*number*/) { return false; }
#endif

}  // namespace coterie
