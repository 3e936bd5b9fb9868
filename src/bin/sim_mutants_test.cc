// The scoreboard itself, in builds with and without mutants: what it counts as killed, and that it
// leaves no mutant out.

#include "bin/sim_mutants.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace coterie::bin {
namespace {

TEST(Scoreboard, LeavesNoMutantOut) {
  ASSERT_EQ(Hunts().size(), static_cast<std::size_t>(kMutants));
  for (int i = 0; i < kMutants; ++i) {
    const Hunt& hunt = Hunts()[static_cast<std::size_t>(i)];
    EXPECT_EQ(hunt.mutant, i + 1);
    EXPECT_FALSE(hunt.profiles.empty());
    EXPECT_GT(hunt.runs_max, 0u);
  }
}

TEST(Scoreboard, WhatIsSoundSurvives) {
  EXPECT_EQ(RunScoreboard({.ranges = 2},
                          {{.mutant = 0, .profiles = {sim::Profile::kSnapshots}, .runs_max = 3}}),
            1);
}

// In a build without mutants the process that is to put one in dies at once.
TEST(Scoreboard, WhatDiesIsKilled) {
  EXPECT_EQ(RunScoreboard({.ranges = 2},
                          {{.mutant = 15, .profiles = {sim::Profile::kStorage}, .runs_max = 200}}),
            0);
}

TEST(Scoreboard, OneSurvivorIsEnoughToFail) {
  EXPECT_EQ(RunScoreboard({.ranges = 1},
                          {{.mutant = 15, .profiles = {sim::Profile::kStorage}, .runs_max = 200},
                           {.mutant = 0, .profiles = {sim::Profile::kStorage}, .runs_max = 2}}),
            1);
}

TEST(MedianOf, IsTheMiddleOne) {
  EXPECT_EQ(MedianOf({7}), 7u);
  EXPECT_EQ(MedianOf({9, 1, 4}), 4u);
  EXPECT_EQ(MedianOf({9, 1, 4, 6}), 4u);
}

}  // namespace
}  // namespace coterie::bin
