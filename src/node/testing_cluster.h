#pragma once

// Replicas of one cluster in one thread for tests: real raft, log and machine, real files in
// temporary folders, a clock that a test turns, and a network of queues. Owner: the test.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/memory_storage.h"
#include "node/replica.h"

namespace coterie::node {

class TurnedClock final : public io::Clock {
 public:
  std::uint64_t NowMicros() const override { return now_us; }
  std::uint64_t WallTimeMs() const override { return 1'700'000'000'000 + now_us / 1'000; }
  std::uint64_t now_us = 1'000'000;
};

class TestingCluster {
 public:
  explicit TestingCluster(std::size_t founders);
  // With `options`, where there are no servers yet.
  void Found(std::size_t founders);
  ~TestingCluster();

  Replica& replica(NodeId id) { return *members_.at(id).replica; }
  MemoryStorage& storage(NodeId id) { return *members_.at(id).storage; }
  bool IsUp(NodeId id) const { return members_.at(id).replica != nullptr; }
  // Time goes on by `milliseconds`, in ticks of 10, and everybody gets to work.
  void Run(std::uint64_t milliseconds);
  // Until some replica that can reach a majority says it leads; none after 5 s.
  NodeId AwaitLeader();
  // Pumps only; no time passes.
  void Work();
  // Time goes on and nobody gets to work, as if the machine had been asleep.
  void Sleep(std::uint64_t milliseconds) { clock_.now_us += milliseconds * 1'000; }

  void Kill(NodeId id);  // What the log synced and the state flushed is what is left.
  // In the middle of what it does then: after it has been called so many times to get to work.
  void KillAfter(NodeId id, std::uint64_t pumps);
  void Start(NodeId id);
  void AddServer(NodeId id);  // A new node that waits to be added.
  void LoseDisk(NodeId id);   // Of one that is not running.

  // Runs until answered; kDeadlineExceeded after 5 s.
  absl::StatusOr<state::Outcome> Propose(NodeId at, const state::Command& command);
  absl::Status Read(NodeId at, Consistency consistency, const Node::Query& query);

  static constexpr absl::Duration kTimeout = absl::Seconds(60);
  std::set<std::pair<NodeId, NodeId>> cuts;  // One-way.
  std::set<NodeId> stalled;                  // Whose apply threads do not get on.
  std::set<NodeId> low;                      // Whose disks are almost full.
  std::set<NodeId> full;                     // Whose logs find no room.
  Options options;                           // For the servers that start from now on.
  std::map<std::uint8_t, std::uint64_t> frames_of_version;  // Sent so far.

 private:
  class Network;
  class FillingDirectory;
  struct Member {
    std::filesystem::path folder;
    std::unique_ptr<io::Directory> log_directory;
    std::unique_ptr<MemoryStorage> storage;
    std::unique_ptr<Network> network;
    std::unique_ptr<Replica> replica;
    std::vector<raft::Member> founders;
    Incarnation incarnation;
    std::uint64_t starts = 0;
    std::optional<std::uint64_t> pumps_left;  // None = it is not about to be killed.
  };
  bool Pump(NodeId id, bool (Replica::*pump)(absl::Duration));

  TurnedClock clock_;
  std::filesystem::path folder_;
  std::map<NodeId, Member> members_;
  struct OnItsWay {
    NodeId from;
    Frame frame;
  };
  std::deque<OnItsWay> frames_;
};

}  // namespace coterie::node
