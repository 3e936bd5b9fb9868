#pragma once

// What an operator finds in a node's log about the cluster: who leads, which members come, go and
// cannot be reached, which alarms are raised and over. Compares what a node says of itself now with
// what it said before; a line for each difference, and never more than so many in a while. Pure;
// owner: whoever looks.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/node.h"

namespace coterie::node {

class Watch {
 public:
  // The lines for what is new at `now_us`.
  std::vector<Notice> Look(const Status& status, std::uint64_t now_us);

 private:
  void LookAtLeader(const Status& status, std::uint64_t now_us);
  void LookAtMembers(const Status& status);
  void LookAtPeers(const Status& status, std::uint64_t now_us);
  void LookAtAlarms(const Status& status);
  void Say(Notice::Level level, std::string text);
  std::vector<Notice> Limit(std::uint64_t now_us);

  struct Peer {
    NodeId id;
    std::uint64_t silent_since_us = 0;  // 0 = it answers.
    bool is_missed = false;             // That it does not has been said.
  };

  std::vector<Notice> lines_;  // Of this look.
  std::optional<Status> before_;
  NodeId leader_;  // The last one that was told of.
  Term term_;
  std::uint64_t leaderless_since_us_ = 0;  // 0 = there is a leader.
  bool is_loss_said_ = false;
  std::vector<Peer> peers_;  // Of a leader.
  std::uint64_t period_began_us_ = 0;
  std::uint64_t said_ = 0;  // In this period,
  std::uint64_t kept_ = 0;  // and left out.
};

}  // namespace coterie::node
