#pragma once

// What a leader knows of one peer: how far its log is known to match, what is on its way, and
// whether it answers. Owner: the core.
// Source: etcd-raft's progress; the bounds of the window are in messages and in bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/ids.h"

namespace coterie::raft {

// Appends sent and not yet acknowledged, in the order of their last index.
class InFlight {
 public:
  void Add(Index last, std::size_t bytes, Ticks now) {
    sent_.push_back({.last = last, .bytes = bytes, .at = now});
    bytes_ += bytes;
  }
  // The peer has everything up to `match`.
  void FreeUpTo(Index match) {
    while (!sent_.empty() && sent_.front().last <= match) {
      bytes_ -= sent_.front().bytes;
      sent_.pop_front();
    }
  }
  void Clear() {
    sent_.clear();
    bytes_ = 0;
  }
  bool empty() const { return sent_.empty(); }
  std::size_t messages() const { return sent_.size(); }
  std::size_t bytes() const { return bytes_; }
  // Of the messages, those that were sent at `now`, the latest time of all.
  std::size_t MessagesSentAt(Ticks now) const {
    const auto is_older = [now](const Sent& sent) { return sent.at != now; };
    return static_cast<std::size_t>(std::find_if(sent_.rbegin(), sent_.rend(), is_older) -
                                    sent_.rbegin());
  }

 private:
  struct Sent {
    Index last;
    std::size_t bytes = 0;
    Ticks at;
  };
  std::deque<Sent> sent_;
  std::size_t bytes_ = 0;
};

enum class ProgressState : std::uint8_t {
  kProbe,      // Looking for the place where the logs agree: one request at a time.
  kReplicate,  // Agreed: requests follow each other without waiting.
  kSnapshot,   // A snapshot is on its way: no requests.
};

struct Progress {
  Index match;  // Durable and equal on the peer up to here.
  Index next;   // The next entry to send. > match.
  ProgressState state = ProgressState::kProbe;
  InFlight in_flight;  // kReplicate only.
  bool is_probe_outstanding = false;
  Ticks waiting_since;            // Since when nothing was acknowledged though something is due.
  Ticks last_heard;               // Of an answer in this term: what CheckQuorum counts.
  std::uint64_t read_acked = 0;   // Highest read sequence that the peer has confirmed.
  Index commit_sent;              // The peer has been told of commits up to here.
  std::uint64_t transfer_id = 0;  // kSnapshot only.
  Incarnation incarnation;        // As it last introduced itself; none = not heard yet.

  void BecomeProbe(Ticks now) {
    state = ProgressState::kProbe;
    next = match.Next();
    in_flight.Clear();
    is_probe_outstanding = false;
    waiting_since = now;
    transfer_id = 0;
  }
  void BecomeReplicate(Ticks now) {
    BecomeProbe(now);
    state = ProgressState::kReplicate;
  }
  void BecomeSnapshot(Ticks now, std::uint64_t id) {
    BecomeProbe(now);
    state = ProgressState::kSnapshot;
    transfer_id = id;
  }
};

}  // namespace coterie::raft
