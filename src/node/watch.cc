#include "node/watch.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "node/alarms.h"

namespace coterie::node {
namespace {

constexpr std::uint64_t kPeriodUs = 10'000'000;
constexpr std::uint64_t kLinesPerPeriodMax = 30;
// An election, or a pause of a peer, of less is nothing to tell of.
constexpr std::uint64_t kPatienceUs = 1'000'000;

std::string NameOf(const raft::Member& member) {
  return absl::StrCat("node ", member.id.value(), " (", member.address, ")");
}

std::string NameOf(const Status& status, NodeId id) {
  const raft::Member* member = status.configuration.Find(id);
  return member == nullptr ? absl::StrCat("node ", id.value()) : NameOf(*member);
}

bool Contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::ranges::binary_search(ids, id);
}

bool Contains(const std::vector<std::string>& alarms, const std::string& alarm) {
  return std::ranges::count(alarms, alarm) > 0;
}

}  // namespace

std::vector<Notice> Watch::Look(const Status& status, std::uint64_t now_us) {
  now_us = std::max<std::uint64_t>(1, now_us);
  lines_.clear();
  LookAtLeader(status, now_us);
  LookAtMembers(status);
  LookAtPeers(status, now_us);
  LookAtAlarms(status);
  before_ = status;
  return Limit(now_us);
}

void Watch::LookAtLeader(const Status& status, std::uint64_t now_us) {
  if (status.leader.IsNone()) {
    if (leaderless_since_us_ == 0) leaderless_since_us_ = now_us;
    if (is_loss_said_ || now_us - leaderless_since_us_ < kPatienceUs) return;
    is_loss_said_ = true;
    leader_ = NodeId();
    return Say(Notice::Level::kWarning,
               "no leader: a majority of the voters is not reached, or has yet to elect one");
  }
  leaderless_since_us_ = 0;
  is_loss_said_ = false;
  if (status.leader == leader_ && status.term == term_) return;
  leader_ = status.leader;
  term_ = status.term;
  Say(Notice::Level::kInfo,
      absl::StrCat(status.leader == status.id ? "this node" : NameOf(status, status.leader),
                   " leads in term ", status.term.value()));
}

void Watch::LookAtMembers(const Status& status) {
  if (!before_ || before_->configuration == status.configuration) return;
  const raft::Configuration& then = before_->configuration;
  const raft::Configuration& now = status.configuration;
  for (const raft::Member& member : now.members) {
    const bool is_voter = Contains(now.voters, member.id);
    if (!then.IsMember(member.id)) {
      Say(Notice::Level::kInfo,
          absl::StrCat(NameOf(member), " is a member now, a ", is_voter ? "voter" : "learner"));
    } else if (is_voter != Contains(then.voters, member.id)) {
      Say(Notice::Level::kInfo,
          absl::StrCat(NameOf(member), " is a ", is_voter ? "voter" : "learner", " now"));
    }
  }
  for (const raft::Member& member : then.members) {
    if (now.IsMember(member.id)) continue;
    Say(Notice::Level::kInfo, absl::StrCat(NameOf(member), " is no member any more"));
  }
}

void Watch::LookAtPeers(const Status& status, std::uint64_t now_us) {
  std::vector<Peer> peers;
  for (const Status::Peer& seen : status.peers) {
    const auto known = std::ranges::find(peers_, seen.id, &Peer::id);
    Peer peer = known == peers_.end() ? Peer{.id = seen.id} : *known;
    if (seen.is_reachable) {
      if (peer.is_missed) {
        Say(Notice::Level::kInfo, absl::StrCat(NameOf(status, seen.id), " answers again"));
      }
      peer = {.id = seen.id};
    } else {
      if (peer.silent_since_us == 0) peer.silent_since_us = now_us;
      if (!peer.is_missed && now_us - peer.silent_since_us >= kPatienceUs) {
        peer.is_missed = true;
        Say(Notice::Level::kWarning, absl::StrCat(NameOf(status, seen.id), " does not answer"));
      }
    }
    peers.push_back(peer);
  }
  peers_ = std::move(peers);
}

void Watch::LookAtAlarms(const Status& status) {
  static const std::vector<std::string> kNone;
  const std::vector<std::string>& then = before_ ? before_->alarms : kNone;
  for (const std::string& alarm : status.alarms) {
    if (Contains(then, alarm)) continue;
    const std::string what = WhatToDo(alarm);
    const bool is_of_node = what.starts_with(' ');
    Say(Notice::Level::kWarning,
        absl::StrCat("alarm ", alarm, is_of_node ? ": this node" : "", what));
  }
  for (const std::string& alarm : then) {
    if (Contains(status.alarms, alarm)) continue;
    Say(Notice::Level::kInfo, absl::StrCat("alarm ", alarm, " is over"));
  }
}

void Watch::Say(Notice::Level level, std::string text) {
  lines_.push_back({.level = level, .text = std::move(text)});
}

std::vector<Notice> Watch::Limit(std::uint64_t now_us) {
  if (now_us - period_began_us_ >= kPeriodUs) {
    if (kept_ > 0) {
      lines_.insert(lines_.begin(),
                    {.level = Notice::Level::kWarning,
                     .text = absl::StrCat(kept_, " lines of this kind were left out")});
    }
    period_began_us_ = now_us;
    said_ = kept_ = 0;
  }
  const std::uint64_t may_say = kLinesPerPeriodMax - std::min(kLinesPerPeriodMax, said_);
  const std::uint64_t all = lines_.size();
  if (all > may_say) lines_.resize(may_say);
  said_ += lines_.size();
  kept_ += all - lines_.size();
  return std::exchange(lines_, {});
}

}  // namespace coterie::node
