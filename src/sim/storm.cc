#include "sim/storm.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "raft/configuration.h"

namespace coterie::sim {
namespace {

constexpr std::size_t kVotersWanted = 3;
constexpr std::uint64_t kOperatorPatienceUs = 2'000'000;
// As soon as this somebody notices that another leads.
constexpr std::uint64_t kLookUsMax = 6'000;

}  // namespace

Storm::Storm(Nemesis::Victims victims, Nemesis& nemesis)
    : victims_(std::move(victims)), nemesis_(nemesis), prng_(victims_.plan.seed * 99'991 + 5) {
  for (const Gust& gust :
       {Gust{Fault::kCut, &Storm::Isolate}, Gust{Fault::kCut, &Storm::HearFew},
        Gust{Fault::kCut, &Storm::MuteOne}, Gust{Fault::kCut, &Storm::Divide},
        Gust{Fault::kPause, &Storm::PauseApart}, Gust{Fault::kTransfer, &Storm::HandOverAndPart},
        Gust{Fault::kCrash, &Storm::Fall}, Gust{Fault::kCrash, &Storm::Blip},
        Gust{Fault::kCrash, &Storm::BlipOfAnElector}, Gust{Fault::kAbsence, &Storm::BeAbsent},
        Gust{Fault::kApplyHang, &Storm::HangApply}, Gust{Fault::kDiskHang, &Storm::HangDisk},
        Gust{Fault::kLag, &Storm::Lag}, Gust{Fault::kWipe, &Storm::LoseDisk},
        Gust{Fault::kSnapshot, &Storm::TakeSnapshot}, Gust{Fault::kReconfigure, &Storm::Exchange},
        Gust{Fault::kReconfigure, &Storm::ExchangeAndFall}}) {
    // Not all kinds in one run: some need that others do not come between.
    if (victims_.plan.Has(gust.fault) && prng_.Chance(1, 2)) gusts_.push_back(gust);
  }
}

void Storm::Start() {
  if (victims_.plan.gust_interval_us == 0) return;
  BlowLater();
  LookLater();
}

void Storm::After(std::uint64_t delay_us, std::function<void()> action) {
  victims_.schedule.After(delay_us, [this, action = std::move(action)] {
    if (!is_stopped_) action();
  });
}

void Storm::BlowLater() {
  const std::uint64_t interval_us = victims_.plan.gust_interval_us;
  After(prng_.Between(interval_us / 2, interval_us * 2), [this] {
    Blow();
    BlowLater();
  });
}

void Storm::LookLater() {
  After(prng_.Between(500, kLookUsMax), [this] {
    Server* const leader = FindLeader();
    if (leader != nullptr && leader->replica()->core().term() > seen_term_) {
      seen_term_ = leader->replica()->core().term();
      if (prng_.Chance(victims_.plan.office_tenths, 10)) OnNewLeader(*leader);
    }
    LookLater();
  });
}

// Of several that think so the newest.
Server* Storm::FindLeader() {
  Server* newest = nullptr;
  for (const NodeId id : victims_.ids) {
    Server& server = victims_.server(id);
    if (!server.IsUp() || server.replica()->core().role() != raft::Role::kLeader) continue;
    const bool is_newer =
        newest == nullptr || server.replica()->core().term() > newest->replica()->core().term();
    if (is_newer) newest = &server;
  }
  return newest;
}

Server& Storm::AnyBut(NodeId id) {
  for (;;) {
    Server& server = Any();
    if (server.id() != id || victims_.ids.size() == 1) return server;
  }
}

void Storm::Blow() {
  if (prng_.Chance(1, 6)) return victims_.network.Heal();
  Server* const leader = FindLeader();
  if (gusts_.empty() || leader == nullptr) return;
  const Gust& gust = gusts_[prng_.Below(gusts_.size())];
  victims_.trace.Note(victims_.schedule.now_us(), "gust", {leader->id().value()});
  (this->*gust.blow)(*leader);
}

// Several at once: this is when the rules about other leaders' entries and members count.
void Storm::OnNewLeader(Server& leader) {
  const Plan& plan = victims_.plan;
  victims_.trace.Note(victims_.schedule.now_us(), "office", {leader.id().value()});
  if (plan.Has(Fault::kCut) && prng_.Chance(1, 2)) HearFew(leader);
  if (plan.Has(Fault::kReconfigure) && prng_.Chance(1, 2)) Exchange(leader);
  if (plan.Has(Fault::kSnapshot) && prng_.Chance(1, 5)) TakeSnapshot(leader);
  if (plan.Has(Fault::kCrash) && prng_.Chance(1, 4)) {
    const NodeId id = leader.id();
    After(prng_.Between(1, 40'000), [this, id] { Fall(victims_.server(id)); });
  }
}

// --- The network ---

void Storm::HealAfter(std::uint64_t delay_us) {
  After(delay_us, [this, heal = ++heals_] {
    if (heal == heals_) victims_.network.Heal();
  });
}

void Storm::CutOff(NodeId id) {
  for (const NodeId other : victims_.ids) {
    if (other != id) victims_.network.CutBothWays(id, other);
  }
}

// Each of its links, in each direction, or not.
void Storm::CutSome(NodeId id) {
  const std::uint64_t outgoing = prng_.Below(5);
  const std::uint64_t incoming = prng_.Below(5);
  for (const NodeId other : victims_.ids) {
    if (other == id) continue;
    if (prng_.Chance(outgoing, 4)) victims_.network.Cut(id, other);
    if (prng_.Chance(incoming, 4)) victims_.network.Cut(other, id);
  }
}

void Storm::Isolate(Server& leader) {
  CutOff(leader.id());
  HealAfter(prng_.Between(100'000, 1'500'000));
}

void Storm::HearFew(Server& leader) {
  CutSome(leader.id());
  HealAfter(prng_.Between(20'000, 1'200'000));
}

// One that hears everything, and is not heard.
void Storm::MuteOne(Server& leader) {
  victims_.network.Cut(AnyBut(leader.id()).id(), leader.id());
  HealAfter(prng_.Between(20'000, 800'000));
}

// Two camps of any size, sometimes with one who hears both.
void Storm::Divide(Server& /*leader*/) {
  const std::uint64_t camps = prng_.Next();
  const NodeId bridge = prng_.Chance(1, 3) ? Any().id() : NodeId();
  for (const NodeId a : victims_.ids) {
    for (const NodeId b : victims_.ids) {
      const bool is_apart = ((camps >> a.value()) ^ (camps >> b.value())) % 2 == 1;
      if (is_apart && a != bridge && b != bridge) victims_.network.Cut(a, b);
    }
  }
  HealAfter(prng_.Between(100'000, 1'500'000));
}

// The ways to it fill up, each a little more every time: what would depose it comes late, and its
// followers' answers, sent while they still followed, keep coming. Then nobody hears it any more.
void Storm::Lag(Server& leader) {
  std::vector<NodeId> slow;
  for (const NodeId other : victims_.ids) {
    if (other != leader.id() && prng_.Chance(4, 5)) slow.push_back(other);
  }
  const NodeId id = leader.id();
  std::uint64_t delay_us = 0;
  std::uint64_t lag_us = 0;
  for (std::uint64_t steps = prng_.Between(2, 8); steps > 0; --steps) {
    lag_us += prng_.Between(50'000, 120'000);
    After(delay_us, [this, slow, id, lag_us] {
      for (const NodeId other : slow) victims_.network.SetLag(other, id, lag_us);
    });
    delay_us += prng_.Between(100'000, 200'000);
  }
  if (!victims_.plan.Has(Fault::kCut)) return;
  After(delay_us, [this, id] {
    for (const NodeId other : victims_.ids) {
      if (other != id && prng_.Chance(5, 6)) victims_.network.Cut(id, other);
    }
    HealAfter(prng_.Between(300'000, 1'500'000));
  });
}

// --- Processes ---

void Storm::PauseApart(Server& leader) {
  if (victims_.plan.Has(Fault::kCut)) CutSome(leader.id());
  leader.PauseUntil(victims_.schedule.now_us() + prng_.Between(100'000, 900'000));
  HealAfter(prng_.Between(100'000, 1'500'000));
}

void Storm::CrashFor(NodeId id, std::uint64_t down_us) {
  victims_.server(id).Crash();
  After(down_us, [this, id] { victims_.server(id).Start(); });
}

// What it has sent may be lost with it.
void Storm::Fall(Server& leader) {
  if (!leader.IsUp()) return;
  for (const NodeId other : victims_.ids) {
    if (prng_.Chance(1, 2)) victims_.network.Break(leader.id(), other);
  }
  CrashFor(leader.id(), prng_.Between(1'000, 800'000));
}

void Storm::Blip(Server& leader) {
  Server& server = prng_.Chance(1, 3) ? leader : Any();
  if (server.IsUp()) CrashFor(server.id(), prng_.Between(500, 20'000));
}

// One does not hear the leader and wants to be elected; the others forget, one after the other,
// whom they have heard.
void Storm::BlipOfAnElector(Server& leader) {
  Server& wanting = AnyBut(leader.id());
  const NodeId led = leader.id();
  const bool can_cut = victims_.plan.Has(Fault::kCut);
  if (can_cut) victims_.network.CutBothWays(led, wanting.id());
  const std::uint64_t blips = prng_.Between(1, 6);
  std::uint64_t delay_us = prng_.Between(1'000, 300'000);
  for (std::uint64_t blip = 1; blip <= blips; ++blip) {
    delay_us += prng_.Between(20'000, 150'000);
    const NodeId elector = AnyBut(led).id();
    if (elector == wanting.id()) continue;
    // With the last of them the leader is alone.
    After(delay_us, [this, elector, led, is_last = can_cut && blip == blips] {
      if (is_last) CutOff(led);
      if (victims_.server(elector).IsUp()) CrashFor(elector, prng_.Between(500, 5'000));
    });
  }
  HealAfter(delay_us + prng_.Between(50'000, 600'000));
}

// Longer than anybody's patience, and than small numbers last.
void Storm::BeAbsent(Server& leader) {
  Server& server = AnyBut(leader.id());
  std::size_t down = 0;
  for (const NodeId id : victims_.ids) down += victims_.server(id).IsUp() ? 0 : 1;
  if (!server.IsUp() || 2 * (down + 1) >= victims_.ids.size()) return;
  CrashFor(server.id(), prng_.Between(2'500'000, 6'000'000));
}

// And whoever knew better than the others falls with it.
void Storm::LoseDisk(Server& leader) {
  if (!nemesis_.Wipe(AnyBut(leader.id())) || prng_.Chance(1, 3)) return;
  if (victims_.plan.Has(Fault::kCrash)) return Fall(leader);
  if (victims_.plan.Has(Fault::kCut)) Isolate(leader);
}

void Storm::HangApply(Server& leader) {
  Server& server = prng_.Chance(1, 3) ? leader : Any();
  server.HangApplyUntil(victims_.schedule.now_us() + prng_.Between(50'000, 1'500'000));
}

void Storm::HangDisk(Server& leader) {
  leader.HangDiskUntil(victims_.schedule.now_us() + prng_.Between(10'000, 400'000));
}

// --- Operators ---

void Storm::HandOverAndPart(Server& leader) {
  const NodeId target = AnyBut(leader.id()).id();
  leader.replica()->TransferLeadership(target, absl::Microseconds(kOperatorPatienceUs),
                                       [](const absl::StatusOr<NodeId>&) {});
  leader.Wake();
  if (!victims_.plan.Has(Fault::kCut)) return;
  // The old one, mostly; or the new one, which has begun a term that nobody hears of.
  const NodeId id = prng_.Chance(2, 3) ? leader.id() : target;
  After(prng_.Between(1, 10 * victims_.plan.latency_us), [this, id] {
    CutOff(id);
    HealAfter(prng_.Between(50'000, 500'000));
  });
}

void Storm::TakeSnapshot(Server& leader) {
  Server& server = prng_.Chance(1, 2) ? leader : Any();
  if (!server.IsUp()) return;
  server.replica()->TakeSnapshot(absl::Microseconds(kOperatorPatienceUs),
                                 [](const absl::StatusOr<Revision>&) {});
  server.Wake();
}

// Some in, some out, all at once.
void Storm::Exchange(Server& leader) {
  if (!leader.IsUp()) return;
  const raft::Configuration& now = leader.replica()->core().configuration();
  raft::MembershipChange change;
  for (const NodeId id : victims_.ids) {
    if (now.IsMember(id) || prng_.Chance(1, 3)) continue;
    change.add_learners.push_back({.id = id,
                                   .incarnation = victims_.server(id).incarnation(),
                                   .address = absl::StrCat("node", id.value())});
  }
  std::size_t voters = now.voters.size();
  for (const NodeId id : now.learners) {
    const std::uint64_t dice = prng_.Below(4);
    if (dice == 0) change.remove.push_back(id);
    if (dice > 1) change.promote.push_back(id);
  }
  voters += change.promote.size();
  std::vector<NodeId> leaving = now.voters;
  while (voters > kVotersWanted && !leaving.empty() && prng_.Chance(3, 4)) {
    const auto at = leaving.begin() + static_cast<std::ptrdiff_t>(prng_.Below(leaving.size()));
    (prng_.Chance(1, 2) ? change.demote : change.remove).push_back(*at);
    leaving.erase(at);
    --voters;
  }
  leader.replica()->Reconfigure(change, absl::Microseconds(kOperatorPatienceUs),
                                [](const absl::StatusOr<Revision>&) {});
  leader.Wake();
}

void Storm::ExchangeAndFall(Server& leader) {
  Exchange(leader);
  if (!victims_.plan.Has(Fault::kCrash)) return;
  const NodeId id = leader.id();
  After(prng_.Between(500, 40'000), [this, id] { Fall(victims_.server(id)); });
}

}  // namespace coterie::sim
