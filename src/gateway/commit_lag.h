#pragma once

// How much longer commits take than they need, lately: what they wait in queues, here or at the
// leader. That is how a busy cluster is told from a far one, whose commits take long and wait for
// nothing. What they need is the least that one took within the last minute or two, as in LEDBAT
// (RFC 6817, 3.4: the base delay). Knows no clock. One per shard, and its thread alone.

#include <absl/time/time.h>

namespace coterie::gateway {

class CommitLag {
 public:
  // The longest Window(): the first, or as long as the lag, which is no more than the second.
  static constexpr absl::Duration kWindowMax = absl::Milliseconds(100);
  static constexpr absl::Duration kWindowOfLagMax = absl::Milliseconds(200);
  // A lag that is ordinary.
  static constexpr absl::Duration kOrdinary = absl::Milliseconds(1);
  static constexpr absl::Duration kPeriod = absl::Minutes(1);
  // What was measured before says nothing any more.
  static constexpr absl::Duration kStale = absl::Milliseconds(250);

  // One took so long, from its proposal to its answer.
  void Note(absl::Duration commit, absl::Time now);
  // Nothing while commits wait for nothing, or there are none.
  absl::Duration At(absl::Time now) const;
  // So far apart a room that has much to say keeps its entries, and its messages with changes: with
  // what waits anyway, some more buys fewer of them.
  absl::Duration Window(absl::Time now) const;

 private:
  absl::Duration lag_;
  absl::Time noted_at_ = absl::InfinitePast();
  absl::Duration least_ = absl::InfiniteDuration();         // In this period,
  absl::Duration least_before_ = absl::InfiniteDuration();  // and in the one before it.
  absl::Time period_began_ = absl::InfinitePast();
};

// Of entries, or messages: a few at once, and in the long run one in every window. So a room in
// which little happens never waits (ITU-T I.371, the generic cell rate algorithm).
class WindowPace {
 public:
  static constexpr int kBurst = 3;
  // Until the next one may go.
  absl::Duration Wait(absl::Duration window, absl::Time now) const;
  void Went(absl::Duration window, absl::Time now);

 private:
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace coterie::gateway
