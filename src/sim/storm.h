#pragma once

// Weather that is made of what goes together: whoever comes to lead is heard by a few only, or is
// asked for a change of members before it has committed anything, or falls with its messages on
// their way; leadership is handed over and the network fails; a leader sleeps and those who could
// tell it are cut off; members are exchanged several at a time. The nemesis (nemesis.h) does single
// things at random, beside which these would take years to meet. Owner: the run.

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/nemesis.h"

namespace coterie::sim {

class Storm {
 public:
  Storm(Nemesis::Victims victims, Nemesis& nemesis);

  // Does nothing if the plan has no storm.
  void Start();
  void Stop() { is_stopped_ = true; }

 private:
  struct Gust {
    Fault fault = Fault::kCut;  // Blows only if the plan has it.
    void (Storm::*blow)(Server& leader) = nullptr;
  };

  void BlowLater();
  void LookLater();
  void Blow();
  void OnNewLeader(Server& leader);

  void Isolate(Server& leader);
  void HearFew(Server& leader);
  void MuteOne(Server& leader);
  void Divide(Server& leader);
  void PauseApart(Server& leader);
  void HandOverAndPart(Server& leader);
  void Fall(Server& leader);
  void Blip(Server& leader);
  void BlipOfAnElector(Server& leader);
  void BeAbsent(Server& leader);
  void HangApply(Server& leader);
  void HangDisk(Server& leader);
  void Lag(Server& leader);
  void LoseDisk(Server& leader);
  void TakeSnapshot(Server& leader);
  void Exchange(Server& leader);
  void ExchangeAndFall(Server& leader);

  void CutSome(NodeId id);
  // Unless something else has been cut meanwhile.
  void HealAfter(std::uint64_t delay_us);
  void CutOff(NodeId id);
  void CrashFor(NodeId id, std::uint64_t down_us);
  void After(std::uint64_t delay_us, std::function<void()> action);
  Server* FindLeader();
  Server& Any() { return victims_.server(victims_.ids[prng_.Below(victims_.ids.size())]); }
  // Another than that.
  Server& AnyBut(NodeId id);

  Nemesis::Victims victims_;
  Nemesis& nemesis_;
  Prng prng_;
  std::vector<Gust> gusts_;
  bool is_stopped_ = false;
  Term seen_term_;
  std::uint64_t heals_ = 0;  // Asked for so far; only the last one counts.
};

}  // namespace coterie::sim
