#include "sim/nemesis.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "raft/configuration.h"
#include "sim/newer_program.h"

namespace coterie::sim {
namespace {

constexpr std::size_t kVotersWanted = 3;
constexpr NodeId kStranger(99);
constexpr std::uint64_t kOperatorPatienceUs = 2'000'000;

}  // namespace

Nemesis::Nemesis(Victims victims)
    : victims_(std::move(victims)), prng_(victims_.plan.seed * 104'729 + 17) {
  for (const Fault fault : victims_.plan.faults) {
    switch (fault) {
      // The network does these by itself, the servers' disks that one, a storm the others.
      case Fault::kLoss:
      case Fault::kDuplicate:
      case Fault::kReorder:
      case Fault::kCorrupt:
      case Fault::kDiskSlow:
      case Fault::kApplyHang:
      case Fault::kLag:
      case Fault::kAbsence:
        break;
      default:
        arsenal_.push_back(fault);
    }
  }
}

void Nemesis::Start() {
  StrikeLater();
  if (victims_.plan.are_leaders_hunted) HuntLater();
}

// The first moments of a leader are where the rules about its predecessors' entries count (Raft
// paper, figure 8).
void Nemesis::HuntLater() {
  victims_.schedule.After(prng_.Between(1'000, 40'000), [this] {
    if (is_stopped_) return;
    Server& server = Leading();
    const bool is_leader = server.IsUp() && server.replica()->status().role == raft::Role::kLeader;
    const bool is_new = is_leader && server.replica()->core().term() != hunted_term_;
    if (is_new) hunted_term_ = server.replica()->core().term();
    // An operator who cannot wait asks for a change before the leader has committed anything.
    if (is_new && victims_.plan.Has(Fault::kReconfigure)) {
      Reconfigure(server);
    } else if (is_leader && prng_.Chance(1, 3)) {
      CrashFor(server, prng_.Between(100'000, 600'000));
    }
    HuntLater();
  });
}

void Nemesis::StrikeLater() {
  const std::uint64_t interval_us = victims_.plan.fault_interval_us;
  victims_.schedule.After(prng_.Between(interval_us / 2, interval_us * 2), [this] {
    if (is_stopped_) return;
    Strike();
    StrikeLater();
  });
}

Server& Nemesis::Any() { return victims_.server(victims_.ids[prng_.Below(victims_.ids.size())]); }

Server& Nemesis::Leading() {
  for (const NodeId id : victims_.ids) {
    Server& server = victims_.server(id);
    if (server.IsUp() && server.replica()->status().role == raft::Role::kLeader) return server;
  }
  return Any();
}

void Nemesis::Strike() {
  if (prng_.Chance(1, 4)) {
    victims_.network.Heal();
    if (!wiped_.IsNone()) ReplaceWiped(Leading());
    return;
  }
  if (arsenal_.empty()) return;
  const bool is_damage = victims_.plan.Has(Fault::kDamage) && victims_.plan.damage_tenths > 0 &&
                         prng_.Chance(victims_.plan.damage_tenths, 10);
  const Fault fault = is_damage ? Fault::kDamage : arsenal_[prng_.Below(arsenal_.size())];
  // Those who lead are the more interesting victims.
  Server& server = prng_.Chance(2, 5) ? Leading() : Any();
  if (!server.IsUp()) return;
  victims_.trace.Note(victims_.schedule.now_us(), NameOf(fault), {server.id().value()});
  Do(fault, server);
}

void Nemesis::Do(Fault fault, Server& server) {
  const std::uint64_t now_us = victims_.schedule.now_us();
  switch (fault) {
    case Fault::kCut:
      return CutLinks(server);
    case Fault::kClog:
      return victims_.network.Clog(server.id(), Any().id());
    case Fault::kCrash:
      return CrashFor(server, prng_.Between(1'000, 1'500'000));
    case Fault::kCrashMidway: {
      server.CrashMidway(prng_.Between(1, 20));
      // It is started again whenever it has fallen.
      const NodeId id = server.id();
      for (const std::uint64_t later_us : {300'000, 900'000, 2'000'000}) {
        victims_.schedule.After(prng_.Below(later_us) + 1, [this, id] {
          if (!is_stopped_) victims_.server(id).Start();
        });
      }
      return;
    }
    case Fault::kPause:
      return server.PauseUntil(now_us + prng_.Between(10'000, 2'000'000));
    case Fault::kDiskHang:
      return server.HangDiskUntil(now_us + prng_.Between(50'000, 3'000'000));
    case Fault::kDiskError: {
      server.FailNextOperation();
      const NodeId id = server.id();
      victims_.schedule.After(prng_.Between(100'000, 1'000'000), [this, id] {
        if (!is_stopped_) victims_.server(id).Start();
      });
      return;
    }
    case Fault::kDiskFull:
      return FillDisk(server);
    case Fault::kWipe:
      Wipe(server);
      return;
    case Fault::kClock:
      return SetClock(server);
    case Fault::kTransfer:
      server.replica()->TransferLeadership(prng_.Chance(1, 2) ? NodeId() : Any().id(),
                                           absl::Microseconds(kOperatorPatienceUs),
                                           [](const absl::StatusOr<NodeId>&) {});
      return server.Wake();
    case Fault::kSnapshot:
      server.replica()->TakeSnapshot(absl::Microseconds(kOperatorPatienceUs),
                                     [](const absl::StatusOr<Revision>&) {});
      return server.Wake();
    case Fault::kReconfigure:
      return Reconfigure(Leading());
    case Fault::kLoss:
    case Fault::kDuplicate:
    case Fault::kReorder:
    case Fault::kCorrupt:
    case Fault::kDiskSlow:
    case Fault::kApplyHang:
    case Fault::kLag:
    case Fault::kAbsence:
      return;
    case Fault::kDamage:
      return Damage(server);
    case Fault::kUpgrade:
      return Upgrade(server);
    case Fault::kNewer:
      return SpeakAsNewer(server);
  }
}

void Nemesis::FillDisk(Server& server) {
  server.SetDiskFull(true);
  const NodeId id = server.id();
  victims_.schedule.After(prng_.Between(100'000, 2'000'000),
                          [this, id] { victims_.server(id).SetDiskFull(false); });
}

void Nemesis::SpeakAsNewer(Server& server) {
  if (server.IsOld()) return;
  // No node is older than it once was.
  const Server& other = Any();
  const NodeId from = other.IsOld() ? kStranger : other.id();
  server.Deliver(SayAsNewerProgram(from, server.id(), prng_));
}

void Nemesis::Upgrade(Server& server) {
  if (!server.IsOld()) return;
  ++upgrades_;
  CrashFor(server, prng_.Between(1'000, 1'000'000));
  server.Upgrade();
}

void Nemesis::CrashFor(Server& server, std::uint64_t down_us) {
  server.Crash();
  const NodeId id = server.id();
  victims_.schedule.After(down_us, [this, id] {
    if (!is_stopped_) victims_.server(id).Start();
  });
}

void Nemesis::CutLinks(Server& server) {
  Network& network = victims_.network;
  const std::vector<NodeId>& ids = victims_.ids;
  const NodeId id = server.id();
  const std::uint64_t shape = prng_.Below(7);
  if (shape == 0) return network.Cut(id, Any().id());
  if (shape == 1) return network.CutBothWays(id, Any().id());
  const NodeId other = Any().id();
  for (const NodeId a : ids) {
    for (const NodeId b : ids) {
      if (a == b) continue;
      bool is_cut = false;
      if (shape == 2) is_cut = a == id || b == id;                          // Alone.
      if (shape == 3) is_cut = b == id;                                     // Deaf.
      if (shape == 4) is_cut = a == id;                                     // Mute.
      if (shape == 5) is_cut = a != id && b != id;                          // A star around it.
      if (shape == 6) is_cut = a != id && b != id && (a < id) != (b < id);  // A bridge.
      if (shape == 6 && a == other) is_cut = is_cut || b == id;
      if (is_cut) network.Cut(a, b);
    }
  }
}

void Nemesis::SetClock(Server& server) {
  if (prng_.Chance(1, 2)) {
    const std::int64_t jump_ms =
        static_cast<std::int64_t>(prng_.Below(2'000'000'000)) - 1'000'000'000;
    server.clock().JumpWall(jump_ms);
    return;
  }
  server.clock().SetRate(prng_.Between(800, 1'250));
}

// One at a time, and only once the members know each other's disks: before that nobody could tell
// the new one from the old (dragonboat #256).
bool Nemesis::Wipe(Server& server) {
  if (!wiped_.IsNone() || !damaged().IsNone()) return false;
  const raft::Configuration& configuration = victims_.ledger.configuration();
  if (configuration.IsJoint() || configuration.voters.size() < kVotersWanted) return false;
  for (const raft::Member& member : configuration.members) {
    if (member.incarnation.IsNone()) return false;
  }
  // On every disk, not only on a majority of them: one that has not heard of it yet would vote for
  // the new disk and count it.
  for (const raft::Member& member : configuration.members) {
    const Server& other = victims_.server(member.id);
    if (!other.IsUp()) return false;
    const raft::Core& core = other.replica()->core();
    if (core.configuration() != configuration || core.durable_index() != core.last().index)
      return false;
  }
  wiped_ = server.id();
  server.Crash();
  server.Wipe();
  server.Start();
  return true;
}

NodeId Nemesis::damaged() {
  if (damaged_.IsNone()) return damaged_;
  const Server& server = victims_.server(damaged_);
  if (server.IsUp() && server.replica()->core().promised() == raft::LogPosition() &&
      victims_.ledger.IsComplete(damaged_)) {
    damaged_ = NodeId();
  }
  return damaged_;
}

bool Nemesis::AreAllDisksComplete() {
  const std::vector<raft::Member>& members = victims_.ledger.configuration().members;
  return std::ranges::all_of(members, [this](const raft::Member& member) {
    const Server& server = victims_.server(member.id);
    return server.IsUp() && server.replica()->core().promised() == raft::LogPosition() &&
           victims_.ledger.IsComplete(member.id);
  });
}

// One at a time, and only while all others hold everything: a majority of good copies remains.
void Nemesis::Damage(Server& server) {
  const raft::Configuration& configuration = victims_.ledger.configuration();
  if (!wiped_.IsNone() || !damaged().IsNone() || configuration.IsJoint()) return;
  if (server.IsOld()) return;  // The first version could not repair any.
  if (configuration.voters.size() < kVotersWanted || !AreAllDisksComplete()) return;
  damaged_ = server.id();
  server.Crash();
  ++damages_.at(static_cast<std::size_t>(server.Damage()));
  const NodeId id = server.id();
  victims_.schedule.After(prng_.Between(1'000, 1'000'000), [this, id] {
    if (!is_stopped_) victims_.server(id).Start();
  });
}

// As docs/operations.md tells the operator: take the old one out, add the new one, promote it.
void Nemesis::ReplaceWiped(Server& leading) {
  if (!leading.IsUp()) return;
  const raft::Configuration& configuration = leading.replica()->core().configuration();
  const raft::Member* const member = configuration.Find(wiped_);
  Server& server = victims_.server(wiped_);
  raft::MembershipChange change;
  if (member != nullptr && member->incarnation != server.incarnation()) {
    change.remove.push_back(wiped_);
  } else if (member == nullptr) {
    change.add_learners.push_back({.id = wiped_,
                                   .incarnation = server.incarnation(),
                                   .address = absl::StrCat("node", wiped_.value())});
  } else if (std::ranges::count(configuration.learners, wiped_) > 0) {
    change.promote.push_back(wiped_);
  } else {
    wiped_ = NodeId();
    return;
  }
  leading.replica()->Reconfigure(change, absl::Microseconds(kOperatorPatienceUs),
                                 [](const absl::StatusOr<Revision>&) {});
  leading.Wake();
}

void Nemesis::Reconfigure(Server& leading) {
  if (!leading.IsUp()) return;
  const raft::Configuration& configuration = leading.replica()->core().configuration();
  if (configuration.voters.empty()) return;
  const Server& subject = Any();
  const NodeId id = subject.id();
  raft::MembershipChange change;
  if (!configuration.IsMember(id)) {
    change.add_learners.push_back({.id = id,
                                   .incarnation = subject.incarnation(),
                                   .address = absl::StrCat("node", id.value())});
  } else if (std::ranges::count(configuration.learners, id) > 0) {
    (prng_.Chance(2, 3) ? change.promote : change.remove).push_back(id);
  } else if (configuration.voters.size() > kVotersWanted && damaged().IsNone()) {
    (prng_.Chance(1, 2) ? change.demote : change.remove).push_back(id);
  } else {
    return;
  }
  leading.replica()->Reconfigure(change, absl::Microseconds(kOperatorPatienceUs),
                                 [](const absl::StatusOr<Revision>&) {});
  leading.Wake();
}

}  // namespace coterie::sim
