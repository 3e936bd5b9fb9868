#pragma once

// What the log holds, and the little that must survive a crash beside it. Shared with wal/, which
// stores it, and node/, which sends it. Pure values.
// Source: Raft paper, figure 2 ("persistent state on all servers").

#include <compare>
#include <cstddef>
#include <cstdint>

#include "base/blob.h"
#include "base/ids.h"

namespace coterie::raft {

struct LogPosition {
  Term term;    // Raft paper 5.4.1 compares the term first, then the length,
  Index index;  // so the order of these members IS the rule.
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

enum class EntryType : std::uint8_t {
  kNoop = 0,           // A new leader's first entry (thesis 6.4): lets it commit and read.
  kCommand = 1,        // A state::Command, opaque here.
  kConfiguration = 2,  // An encoded raft::Configuration, adopted when appended (thesis 4.1).
};

// One log entry. Copying shares the payload's bytes.
struct EntryRef {
  Term term;
  Index index;
  EntryType type = EntryType::kNoop;
  Blob payload;

  LogPosition position() const { return {.term = term, .index = index}; }
  // What flow control and quotas count: the payload and the record around it.
  std::size_t size_bytes() const { return payload.size_bytes() + 32; }
  friend bool operator==(const EntryRef&, const EntryRef&) = default;
};

// Term and vote: durable before any reply that depends on them (thesis 3.8). Always one record, so
// that a crash cannot leave the term of one election beside the vote of another.
// As the index of HardState::promised: nobody knows how far it went.
inline constexpr Index kUnknownExtent{~0ULL};

struct HardState {
  Term term;
  NodeId vote;  // Whom we voted for in `term`; none if nobody.
  // The last known commit index: only a hint that shortens replay, never needed for safety.
  Index commit;
  // Up to here this disk may have acknowledged entries that damage has taken from it; none =
  // nothing is missing. Until its log is that long again the node promises nothing that rests on
  // them: it does not stand for election, and votes only for who has all that it may have had.
  // Source: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018.
  LogPosition promised;
  friend bool operator==(const HardState&, const HardState&) = default;
};

}  // namespace coterie::raft
