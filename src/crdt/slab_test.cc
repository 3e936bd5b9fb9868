#include "crdt/slab.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <string>

#include "base/prng.h"

namespace coterie::crdt {
namespace {

// Addresses of large pieces were used once: a text that was written anew often enough stopped the
// process.
TEST(Slab, AddressesAreUsedAgain) {
  Slab slab;
  constexpr std::size_t kPiece = std::size_t{2} << 20;
  for (int round = 0; round < 5'000; ++round) slab.Free(slab.Allocate(kPiece), kPiece);
  EXPECT_TRUE(slab.HasRoomFor(std::size_t{64} << 20));
}

TEST(Slab, KeepsWhatIsThereAtRandom) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Prng prng(seed);
    Slab slab;
    std::map<Address, std::string> kept;
    for (int step = 0; step < 3'000; ++step) {
      if (kept.size() > 20) {
        auto some = kept.lower_bound(static_cast<Address>(prng.Next()));
        if (some == kept.end()) some = kept.begin();
        ASSERT_EQ(slab.View(some->first, some->second.size()), some->second) << seed;
        slab.Free(some->first, some->second.size());
        kept.erase(some);
      }
      const std::size_t size = prng.Chance(1, 2) ? prng.Between(1, 400) : prng.Between(1, 400'000);
      std::string bytes(size, static_cast<char>('a' + prng.Below(26)));
      const Address address = slab.Store(bytes);
      ASSERT_TRUE(kept.emplace(address, std::move(bytes)).second) << seed;
    }
    ASSERT_LT(slab.memory_bytes(), std::size_t{30} << 20) << seed;
  }
}

}  // namespace
}  // namespace coterie::crdt
