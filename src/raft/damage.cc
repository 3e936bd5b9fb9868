// What a node may do whose disk has lost entries that it had acknowledged (HardState::promised). It
// takes part in replication as one that is merely behind: what it acknowledges from now on it does
// hold. But it does not stand for election, and it votes only for who has all that it may have had.
//
// Why that is enough: an entry that was committed with this node's acknowledgement stands at or
// before `promised`. A log that equals a leader's up to a position at or behind `promised`, in the
// order of positions, holds it: in the same term it is the same leader's log, and a leader of a
// later term has all that was committed before it (Leader Completeness). So whoever gets the node's
// vote has the entry, and so has this node once its own log is that long.
// Source: Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018.

#include "raft/core.h"

namespace coterie::raft {

bool Core::IsMissingEntries() const { return promised_ != LogPosition(); }

// A heartbeat names what is committed of what this node has acknowledged, and means the leader's
// entries. Damage may have taken them and left older ones, with the truncation that had removed
// those lost too: only what this leader's appends have shown to be equal counts until all is back.
Index Core::LastShownEqual() const {
  if (!IsMissingEntries()) return log_.last().index;
  return std::min(std::max(shown_, log_.snapshot().index), log_.last().index);
}

void Core::MaybeFulfilPromise() {
  if (!IsMissingEntries()) return;
  const std::optional<Term> term = log_.TermAt(durable_);
  if (term && LogPosition{.term = *term, .index = durable_} >= promised_) promised_ = {};
}

// When nobody knows how far the log went, a leader does: nothing that it, or anybody before it, was
// ever told by this disk lies behind its own last entry. Only an answer to a question that was
// asked after the loss counts, and from one who still leads: that is what a read gives.
void Core::TickPromise() {
  if (promised_.index != kUnknownExtent || leader_.IsNone()) return;
  if (extent_request_ != 0 && now_ - extent_asked_ < options_.election_timeout.value()) return;
  extent_request_ = next_read_request_++;
  extent_asked_ = now_;
  SendNow(leader_, ReadIndexRequest{.id = extent_request_});
}

void Core::LearnExtent(const ReadIndexReply& reply) {
  if (extent_request_ == 0 || reply.id != extent_request_ || reply.index.IsNone()) return;
  extent_request_ = 0;
  // One of the first version does not say; a leader's log is never empty.
  if (promised_.index != kUnknownExtent || reply.last.index.IsNone()) return;
  promised_ = reply.last;
  MaybeFulfilPromise();
}

}  // namespace coterie::raft
