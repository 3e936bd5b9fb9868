#pragma once

// Faults that other projects have shipped (docs/testing.md, "Mutants", has the 38 with their
// sources), put back into our code on purpose: a test that does not notice them shows nothing. Only
// a build with the CMake option COTERIE_MUTANTS can turn one on; in every other build IsMutant() is
// the constant false and the faulty branch is not compiled in. `coterie-sim --mutants` runs them;
// any other program of such a build takes the number from the environment, COTERIE_MUTANT=12.

#ifdef COTERIE_MUTANTS
#include <cstdlib>
#endif

namespace coterie {

#ifdef COTERIE_MUTANTS
inline int MutantOfEnvironment() {
  const char* const number = std::getenv("COTERIE_MUTANT");  // NOLINT(concurrency-mt-unsafe)
  return number == nullptr ? 0 : static_cast<int>(std::strtol(number, nullptr, 10));
}
// The number of the fault at work; 0 = none. Set once, before anything runs.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
inline int active_mutant = MutantOfEnvironment();
inline bool IsMutant(int number) { return active_mutant == number; }
#else
constexpr bool IsMutant(int /*number*/) { return false; }
#endif

}  // namespace coterie
