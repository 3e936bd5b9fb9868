#pragma once

// Whatever goes wrong in a run, and its operators: crashes, restarts, pauses, cut and clogged
// links, failing, full and hanging disks, clocks, transfers, snapshots, changes of members, lost
// disks. Draws from the plan's faults, a little at a time, for ever. Owner: the run.

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/ledger.h"
#include "sim/network.h"
#include "sim/plan.h"
#include "sim/schedule.h"
#include "sim/server.h"

namespace coterie::sim {

class Nemesis {
 public:
  struct Victims {
    Schedule& schedule;
    Trace& trace;
    const Plan& plan;
    Ledger& ledger;
    Network& network;
    std::function<Server&(NodeId)> server;
    std::vector<NodeId> ids;
  };
  explicit Nemesis(Victims victims);

  void Start();
  void Stop() { is_stopped_ = true; }
  // Whose disk was lost and who has not been taken out and added again since; none = nobody.
  NodeId wiped() const { return wiped_; }
  // Whose disk is damaged and not repaired yet; none = nobody's.
  NodeId damaged();
  std::uint64_t upgrades() const { return upgrades_; }
  // Replaces its disk by an empty one, if everybody can tell that from the old one.
  bool Wipe(Server& server);
  const DamageCounts& damages() const { return damages_; }

 private:
  void StrikeLater();
  void HuntLater();
  void Strike();
  void Do(Fault fault, Server& server);
  void CrashFor(Server& server, std::uint64_t down_us);
  void CutLinks(Server& server);
  void Damage(Server& server);
  void FillDisk(Server& server);
  void Upgrade(Server& server);
  void SpeakAsNewer(Server& server);
  bool AreAllDisksComplete();
  void SetClock(Server& server);
  void Reconfigure(Server& server);
  void ReplaceWiped(Server& server);
  Server& Any();
  // A server that thinks that it leads, or any.
  Server& Leading();

  Victims victims_;
  Prng prng_;
  std::vector<Fault> arsenal_;
  bool is_stopped_ = false;
  NodeId wiped_;
  NodeId damaged_;
  Term hunted_term_;
  DamageCounts damages_{};
  std::uint64_t upgrades_ = 0;
};

}  // namespace coterie::sim
