#pragma once

// A small seeded generator (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64). Injected
// wherever randomness is needed, so that a run can be replayed from its seed. NOT for secrets:
// tokens and keys come from libsodium in rpc/. One owner; not thread safe.

#include <array>
#include <bit>
#include <cstdint>

#include "base/check.h"

namespace coterie {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = SplitMix(seed);
  }

  std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound). The modulo bias is below 2^-32 for bounds below 2^32.
  std::uint64_t Below(std::uint64_t bound) {
    CHECK(bound > 0);
    return Next() % bound;
  }
  // Uniform in [first, last].
  std::uint64_t Between(std::uint64_t first, std::uint64_t last) {
    CHECK(first <= last);
    return first + Below(last - first + 1);
  }
  // True with probability numerator / denominator.
  bool Chance(std::uint64_t numerator, std::uint64_t denominator) {
    return Below(denominator) < numerator;
  }

 private:
  static std::uint64_t SplitMix(std::uint64_t& seed) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace coterie
