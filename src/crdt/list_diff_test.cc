#include "crdt/list_diff.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace coterie::crdt {
namespace {

using List = std::vector<std::uint32_t>;

std::size_t Common(const List& source, const List& target) {
  const std::vector<ListMatch> matches = MatchLists(source, target);
  for (std::size_t i = 0; i < matches.size(); ++i) {
    EXPECT_EQ(source.at(matches[i].source), target.at(matches[i].target));
    if (i == 0) continue;
    EXPECT_LT(matches[i - 1].source, matches[i].source);
    EXPECT_LT(matches[i - 1].target, matches[i].target);
  }
  return matches.size();
}

TEST(ListDiff, FindsWhatStays) {
  EXPECT_EQ(Common({}, {}), 0u);
  EXPECT_EQ(Common({1, 2, 3}, {}), 0u);
  EXPECT_EQ(Common({1, 2, 3}, {1, 2, 3}), 3u);
  EXPECT_EQ(Common({1, 1, 1}, {1, 1}), 2u);
  EXPECT_EQ(Common({1, 2, 3, 4, 5}, {1, 3, 9, 4, 5, 6}), 4u);
  EXPECT_EQ(Common({1, 2, 3, 4}, {4, 1, 2, 3}), 3u);
  // An empty line beside each of those that are there once.
  EXPECT_EQ(Common({1, 0, 2, 0, 3, 0}, {1, 0, 7, 0, 3, 0, 2}), 5u);
}

TEST(ListDiff, OfWhateverLists) {
  Prng prng(1);
  for (int round = 0; round < 2'000; ++round) {
    List source;
    List target;
    const std::uint64_t letters = prng.Between(1, 20);
    for (std::uint64_t i = prng.Below(30); i > 0; --i) {
      const auto element = static_cast<std::uint32_t>(prng.Below(letters));
      if (!prng.Chance(1, 4)) source.push_back(element);
      if (!prng.Chance(1, 4)) target.push_back(element);
    }
    Common(source, target);
    EXPECT_EQ(Common(source, source), source.size());
  }
}

// Each a tenth of a second.
TEST(ListDiff, LongListsInLittleTime) {
  List ascending;
  List descending;
  List same;
  for (std::uint32_t i = 0; i < 300'000; ++i) {
    ascending.push_back(i);
    descending.push_back(300'000 - i);
    same.push_back(7);
  }
  EXPECT_EQ(Common(ascending, descending), 1u);
  EXPECT_EQ(Common(same, same), same.size());
  EXPECT_EQ(Common(ascending, ascending), ascending.size());
}

}  // namespace
}  // namespace coterie::crdt
