#pragma once

// What the members of one room write, on its way into the log: one entry for all that comes in one
// turn, so that who writes while others do costs no entry of their own. An update that comes alone
// is proposed as its session's own command. A large one is, too, and waits for nobody.
//
// Knows nothing of retries, drafts and order: each RoomWriter asks for a turn, gives what it has
// when that ends, and asks again only when it was answered; with the same request, if there was no
// answer. That it happens once is the state's affair, in whatever company it comes. Outlives its
// room until all is answered. The room's shard.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "gateway/commit_lag.h"
#include "gateway/counters.h"
#include "gateway/shard.h"
#include "node/node.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::gateway {

class JointProposals : public std::enable_shared_from_this<JointProposals> {
 public:
  // Of all that go together. A larger update goes alone.
  static constexpr std::size_t kJointBytesMax = 64 << 10;
  // So long after some node could not read joint ones they are tried again.
  static constexpr absl::Duration kUpgradeMax = absl::Seconds(5);

  // An ApplyUpdate of a session, with a request id of its own, which no other that waits here has.
  struct Batch {
    state::Command command;
    std::size_t updates = 1;  // That were merged into it.
  };
  // What is there when the turn ends; nothing = after all there is none.
  using Give = std::function<std::optional<Batch>()>;
  using Done = std::function<void(const absl::StatusOr<state::Outcome>&)>;

  struct Options {
    node::Node& node;
    Shard& shard;
    Counters& counters;
    CommitLag& lag;  // The shard's.
    DocId doc;
  };
  explicit JointProposals(const Options& options) : options_(options) {}

  // `give` runs once; `done` after that, with what becomes of the batch. Both on the shard, later.
  void Ask(Give give, Done done);

 private:
  struct Asking {
    Give give;
    Done done;
  };
  struct Given {
    Batch batch;
    Done done;
  };
  using Together = std::vector<Given>;

  void Pump();
  absl::Duration TurnAt(absl::Time now) const;
  void Take();
  Together Gather();
  void ProposeAlone(Given given);
  void ProposeTogether(Together together);
  void OnAnswer(const std::shared_ptr<Together>& together,
                const absl::StatusOr<state::Outcome>& answer);

  const Options options_;
  std::deque<Asking> asking_;  // One of each member at most.
  std::size_t in_flight_ = 0;  // Entries; not of what went alone.
  bool is_gathering_ = false;
  bool is_hurried_ = false;  // More than one update was in the last entry, or has come since.
  WindowPace pace_;
  absl::Time answered_at_ = absl::InfinitePast();
  absl::Duration commit_;                            // What it took lately.
  absl::Time together_from_ = absl::InfinitePast();  // Before that, each alone.
};

}  // namespace coterie::gateway
