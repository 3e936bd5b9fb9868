#pragma once

// One simulated server: a real node::Replica, with its real log, on a disk, a clock and a network
// that are not. Its four pumps are called whenever they have input, each after a delay of its own,
// so that every interleaving of the threads they stand for can come up. Owner: the run.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "io/faulty_file.h"
#include "node/memory_storage.h"
#include "node/replica.h"
#include "sim/ledger.h"
#include "sim/network.h"
#include "sim/plan.h"
#include "sim/schedule.h"
#include "sim/trace.h"
#include "sim/watch.h"

namespace coterie::sim {

// A clock that runs a little fast or slow, and a wall clock that somebody sets.
class SkewedClock final : public io::Clock {
 public:
  explicit SkewedClock(const Schedule& schedule) : schedule_(schedule) {}
  std::uint64_t NowMicros() const override;
  std::uint64_t WallTimeMs() const override;
  // From now on `per_mille` of true time.
  void SetRate(std::uint64_t per_mille);
  void JumpWall(std::int64_t milliseconds) { wall_offset_ms_ += milliseconds; }
  std::uint64_t rate_per_mille() const { return rate_per_mille_; }

 private:
  const Schedule& schedule_;
  std::uint64_t base_true_us_ = 0;
  std::uint64_t base_us_ = 0;
  std::uint64_t rate_per_mille_ = 1'000;
  std::int64_t wall_offset_ms_ = 0;
};

class Server final : public node::Peers {
 public:
  struct Surroundings {
    Schedule& schedule;
    Trace& trace;
    const Plan& plan;
    Network& network;
    Ledger& ledger;
    Watch& watch;
    // Where else there are servers, for pieces of snapshots.
    std::function<Server*(NodeId)> find;
  };

  Server(Surroundings around, NodeId id, std::vector<raft::Member> founders);
  ~Server() override;

  // --- What happens to it ---
  void Start();
  void Crash();
  // In the middle of the `operations`-th write, sync, creation ... of its disk from now.
  void CrashMidway(std::uint64_t operations);
  // Nothing runs until then; what comes in waits.
  void PauseUntil(std::uint64_t time_us);
  // No write ends until then.
  void HangDiskUntil(std::uint64_t time_us);
  // Nothing is applied until then.
  void HangApplyUntil(std::uint64_t time_us) { apply_hung_until_us_ = time_us; }
  void FailNextOperation();
  void SetDiskFull(bool is_full);
  // A new disk under the old id. Requires that it is down.
  void Wipe();
  // Damage of some kind somewhere in its log or its state. Requires that it is down.
  DamageKind Damage();
  // Flips a bit of every copy of the entry in its log, if the log can tell that from what was never
  // finished (format.md, "Limit"). False: nothing was done. Requires that it is down.
  bool DamageEntry(const raft::EntryRef& entry);
  void DamageState() { storage_.Damage(); }
  // From now on it is this version of the program, not the first one; its log is as that one left
  // it. Requires that it is down and that nothing of its disk was damaged.
  void Upgrade();
  // Everything about it works from now on.
  void Calm();
  void Deliver(const std::string& bytes);

  // --- node::Peers ---
  void Send(std::vector<node::Frame> frames) override;
  void SetMembers(const std::vector<raft::Member>& members) override;
  absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term, std::uint64_t transfer_id,
                                              std::uint64_t offset) override;

  // --- Questions ---
  NodeId id() const { return id_; }
  bool IsUp() const { return replica_ != nullptr; }
  bool IsPaused() const { return schedule_.now_us() < paused_until_us_; }
  // Null while it is down.
  node::Replica* replica() { return replica_.get(); }
  const node::Replica* replica() const { return replica_.get(); }
  // Grows with every start: what was begun in an earlier life is over.
  std::uint64_t life() const { return life_; }
  Incarnation incarnation() const { return incarnation_; }
  // It is the first version of the program.
  bool IsOld() const { return peer_version_ == node::kPeerVersionOldest; }
  io::FaultyDirectory& disk() { return *disk_; }
  // How often it has said that its log or its state is damaged.
  std::uint64_t complaints() const { return complaints_; }
  SkewedClock& clock() { return clock_; }
  // The pumps that have something to do will be called. After every call from outside.
  void Wake();

 private:
  enum Pump : std::size_t { kCore, kLog, kApply, kSnapshots };
  static constexpr std::size_t kPumps = 4;

  void WakePump(Pump pump, std::uint64_t delay_us);
  void RunPump(Pump pump);
  // When it may run at the earliest.
  std::uint64_t FreeAt(Pump pump) const;
  void CheckIsRead(const std::string& bytes) const;
  void Tick();
  std::uint64_t DelayOf(Pump pump);
  node::Options OptionsOf() const;

  Schedule& schedule_;
  Trace& trace_;
  const Plan& plan_;
  Network& network_;
  Ledger& ledger_;
  Watch& watch_;
  std::function<Server*(NodeId)> find_;
  const NodeId id_;
  const std::vector<raft::Member> founders_;
  Prng prng_;
  SkewedClock clock_;
  Incarnation incarnation_;
  std::unique_ptr<io::FaultyDirectory> disk_;
  node::MemoryStorage storage_;
  std::set<NodeId> known_;
  std::unique_ptr<node::Replica> replica_;
  std::uint64_t life_ = 0;
  std::array<bool, kPumps> is_awake_{};
  std::uint64_t paused_until_us_ = 0;
  std::uint64_t hung_until_us_ = 0;
  std::uint64_t apply_hung_until_us_ = 0;
  bool is_doomed_ = false;  // The log has failed: this life ends after the pump.
  bool is_calm_ = false;
  std::uint64_t ticks_ = 0;
  std::uint64_t complaints_ = 0;
  std::uint8_t peer_version_;
};

inline constexpr std::uint64_t kTickUs = 20'000;
inline constexpr std::uint64_t kElectionTimeoutTicks = 10;
inline constexpr std::uint64_t kElectionTimeoutUs = kTickUs * kElectionTimeoutTicks;
inline constexpr std::uint64_t kClusterId = 77;

}  // namespace coterie::sim
