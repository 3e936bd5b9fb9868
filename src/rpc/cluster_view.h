#pragma once

// What one node knows of all: its own word, the others' newest word and how old that is, and what
// happened, remembered. Composes what a watcher is told. Knows no thread, socket or clock: the
// times that it is given are of one steady clock. Owner: ClusterWatch's thread.

#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coterie/v1/cluster.pb.h"
#include "node/journal.h"
#include "node/node.h"
#include "rpc/watch_feed.h"

namespace coterie::rpc {

// What a node says of itself: of `status`, with what goes between it and the others.
v1::WatchedNode DescribeOwn(const node::Status& status,
                            const std::vector<node::Journal::Traffic>& traffic,
                            absl::Duration office_age);
v1::Happening ToProto(const node::Happening& happening, NodeId node, std::uint64_t started_ms);

class ClusterView {
 public:
  static constexpr std::size_t kHappeningsMax = 512;
  // Who has said nothing for longer is not known to be there. Nodes say something once a second.
  static constexpr absl::Duration kFresh = absl::Milliseconds(1'500);

  explicit ClusterView(NodeId self) : self_(self) {}

  // Who the members are, as this node has it, and what it says of itself.
  void SetOwn(const node::Status& status, v1::WatchedNode own);
  // The word of another node, of itself.
  void Hear(NodeId node, const v1::WatchClusterResponse& word, absl::Time now);
  // It answers, and is of a version that cannot say more.
  void HearNothing(NodeId node, absl::Time now);
  // It cannot be asked just now: its connection has ended.
  void Lose(NodeId node);
  // The others' words are dropped, because nobody will say how old they are.
  void ForgetOthers();
  // False: it is known already, which happens when a node tells everything anew.
  bool Add(const v1::Happening& happening);

  // Happenings are counted as they came. Behind this many are those after `seen`.
  std::uint64_t happened() const { return happened_; }
  v1::WatchClusterResponse Compose(WatchScope scope, std::uint64_t seen, absl::Time now) const;
  // Who votes, and which of them have said that they have applied, and so have on disk, everything
  // up to `index`.
  std::vector<NodeId> Voters() const { return status_.configuration.voters; }
  std::vector<NodeId> Holders(Index index) const;

 private:
  struct Word {
    v1::WatchedNode node;
    absl::Time heard;
    bool is_connected = false;
  };
  struct LastHappening {
    std::uint64_t started_ms = 0;
    std::uint64_t number = 0;
  };
  bool IsFresh(const Word& word, absl::Time now) const;
  // Whether a leader that was heard of lately says that it hears from `node`.
  bool IsHeardByLeader(NodeId node, absl::Time now) const;
  v1::WatchedNode Describe(const v1::NodeStatus& known, absl::Time now) const;

  const NodeId self_;
  node::Status status_;
  v1::WatchedNode own_;
  std::map<NodeId, Word> words_;
  std::map<NodeId, absl::Time> mute_;
  std::map<NodeId, LastHappening> last_happenings_;
  std::deque<v1::Happening> happenings_;
  std::uint64_t happened_ = 0;  // All, also those that are not kept any more.
};

}  // namespace coterie::rpc
