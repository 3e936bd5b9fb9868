#pragma once

// One member's updates on their way into the log: one proposal at a time, what comes meanwhile
// becomes the next, so that their order is kept and a fast typist costs few entries. A change goes
// with those of the room's other members (joint_proposals.h). One that is too large for an entry
// goes in several, one after the other. One that comes while its user may not write, or that a lock
// in the log was faster than, is saved as the user's draft instead, at most once a second: a draft
// is written whole. A proposal that got no answer is repeated under its request id until it has
// one: it happens once. Outlives its member until all that was typed is settled. The room's shard.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "gateway/counters.h"
#include "gateway/joint_proposals.h"
#include "gateway/shard.h"
#include "gateway/socket.h"
#include "node/node.h"
#include "rpc/call.h"
#include "rpc/call_rates.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::gateway {

class RoomWriter : public std::enable_shared_from_this<RoomWriter> {
 public:
  // Updates that are merged into one proposal, unless a single one is larger.
  static constexpr std::size_t kMergedBytesMax = 64 << 10;
  static constexpr absl::Duration kDraftEvery = absl::Seconds(1);
  static constexpr absl::Duration kAbandonedMax = absl::Seconds(30);

  struct Options {
    node::Node& node;
    Shard& shard;
    Counters& counters;
    std::shared_ptr<JointProposals> joint;  // The room's.
    DocId doc;
    rpc::Caller caller;
    rpc::CallRates& rates;  // Who owes something there waits.
    ClientId client;        // Random: the requests of one life of one member.
  };
  // What an update is to become: a change of the document, or a part of its user's draft.
  enum class As : std::uint8_t { kChange, kDraft };
  // What became of some of the updates, in their order.
  struct Settled {
    std::size_t updates = 0;
    As as = As::kChange;         // What they were last proposed as.
    state::Outcome outcome;      // OK = durable.
    bool is_node_unfit = false;  // The node stops or is fenced: nothing was done.
  };
  using OnSettled = std::function<void(const Settled&)>;
  RoomWriter(const Options& options, OnSettled on_settled)
      : options_(options), on_settled_(std::move(on_settled)), client_(options.client) {}

  // An update, or the parts that it was split into (crdt/split.h), each small enough for an entry.
  // They are settled together; when one is refused, the rest is, too. Requires valid ones.
  void Add(As as, std::vector<std::string> parts, const Credit& credit);
  // The member has gone: what is queued is still proposed, for a while.
  void Abandon();

 private:
  void Pump();
  void PumpAfter(absl::Duration wait);
  void AskForTurn(JointProposals::Give give);
  std::optional<JointProposals::Batch> Take();
  void TakeDraft();
  void ProposeDraft(std::string update);
  void Begin(state::CommandBody body);
  // Whether what was refused is proposed as a draft now.
  bool MaybeSaveInstead(const state::Outcome& outcome);
  std::string TakeBatch();
  void Propose();
  void OnAnswer(absl::StatusOr<state::Outcome> answer);
  void Repeat();
  void Settle(const state::Outcome& outcome, bool is_node_unfit);

  const Options options_;
  OnSettled on_settled_;  // Empty when abandoned.
  struct Queued {
    As as = As::kChange;
    std::deque<std::string> parts;  // Not proposed yet; of all but the first in queue_, all.
    Credit credit;
  };
  std::deque<Queued> queue_;     // Bounded by the credit that a socket has.
  bool has_more_parts_ = false;  // Of what is in flight: in front of the queue.
  bool is_waiting_ = false;      // For its time, or until its user owes nothing.
  bool is_in_flight_ = false;
  As as_ = As::kChange;            // In flight, and
  state::Command command_;         // what is proposed.
  std::vector<Credit> in_flight_;  // Of each update in it.
  absl::Time proposed_at_;
  absl::Time draft_proposed_at_ = absl::InfinitePast();
  absl::Duration pause_;
  absl::Time abandoned_at_ = absl::InfiniteFuture();
  ClientId client_;
  std::uint64_t sequence_ = 0;
};

}  // namespace coterie::gateway
