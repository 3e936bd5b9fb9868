#pragma once

// How often a leader begins to write what editors send to the log. A round, that is an append here
// and to the followers, their syncs and their answers, costs the same whatever is in it. Where many
// updates come while one round is on its way, the next begins no sooner than kRoundUs after it, so
// that it has more of them; where few do, at once. Pure; the core thread's.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace coterie::node {

class RoundPace {
 public:
  static constexpr std::uint64_t kRoundUs = 8'000;
  // So many proposals while one round is on its way are many.
  static constexpr double kMany = 4;

  // One begins, with what was proposed since the last one began.
  void Began(std::size_t proposals, std::uint64_t now_us);
  // What is proposed was on this node's disk so long after its round had begun.
  void Synced(std::uint64_t took_us);
  // When the next one may begin.
  std::uint64_t NextUs() const { return meanwhile_ < kMany ? 0 : began_us_ + kRoundUs; }

 private:
  std::uint64_t began_us_ = 0;
  double took_us_ = 0;    // These are means of the last few rounds:
  double meanwhile_ = 0;  // what is proposed while one is on its way.
};

inline void RoundPace::Synced(std::uint64_t took_us) {
  took_us_ = (took_us_ * 7 + static_cast<double>(took_us)) / 8;
}

inline void RoundPace::Began(std::size_t proposals, std::uint64_t now_us) {
  const auto passed_us = static_cast<double>(std::max<std::uint64_t>(1, now_us - began_us_));
  const double meanwhile = static_cast<double>(proposals) * std::min(1.0, took_us_ / passed_us);
  meanwhile_ = (meanwhile_ * 7 + meanwhile) / 8;
  began_us_ = now_us;
}

}  // namespace coterie::node
