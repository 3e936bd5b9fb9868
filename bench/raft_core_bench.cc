// How many entries a second the Raft core alone can carry: no disk, no network, one thread.
// `TrioCommits` runs a leader and both of its followers; `LeaderCommits` only the leader, whose
// followers are replies made by hand, which is what one node's core thread does in life.
// Every entry is proposed with 256 fresh bytes, appended, replicated, committed and handed to
// apply. An argument is the number of proposals between two pumps: what a batch is under load.

#include <benchmark/benchmark.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/prng.h"
#include "raft/core.h"

namespace coterie::raft {
namespace {

constexpr std::size_t kPayloadBytes = 256;
constexpr std::uint64_t kKeptEntries = 100'000;  // Behind which the log is compacted, as in life.

Configuration Founders() {
  Configuration configuration;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    configuration.voters.push_back(NodeId(id));
    configuration.members.push_back({.id = NodeId(id), .address = "a"});
  }
  return configuration;
}

std::unique_ptr<Core> MakeCore(std::uint64_t id) {
  Options options{.id = NodeId(id),
                  .incarnation = Incarnation(id),
                  .election_timeout = Ticks(10),
                  .heartbeat_interval = Ticks(1)};
  return std::make_unique<Core>(
      options, Recovered{.snapshot_configuration = Founders(), .epoch = Epoch(1)}, Prng(id));
}

// Runs cores whose disks and networks take no time. Messages to a node that is not here are kept.
class Pump {
 public:
  explicit Pump(std::uint64_t nodes) {
    for (std::uint64_t id = 1; id <= nodes; ++id) cores_[id - 1] = MakeCore(id);
  }

  Core& leader() { return *cores_[0]; }

  // Until nobody has anything to say.
  void Run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < cores_.size(); ++i) moved |= cores_[i] && RunOne(*cores_[i]);
    }
  }

  std::deque<Message>& to_absent() { return to_absent_; }

 private:
  bool RunOne(Core& core) {
    if (!core.HasEffects()) return false;
    core.Drain(effects_);
    Effects effects = std::move(effects_);
    Deliver(effects.send_now);
    if (effects.append) {
      Deliver(effects.append->after_durable);
      core.Step(AppendDone{effects.append->sequence});
    }
    if (effects.apply) {
      const EntryRef& last = effects.apply->entries.back();
      core.Step(ApplyDone{last.index});
      MaybeCompact(core, last.position());
    }
    effects_ = std::move(effects);
    return true;
  }

  void MaybeCompact(Core& core, LogPosition applied) {
    if (applied.index - core.first_index() < 2 * kKeptEntries) return;
    core.Step(SnapshotTaken{.last = applied, .configuration = core.configuration()});
  }

  void Deliver(std::vector<Message>& messages) {
    for (Message& message : messages) {
      const std::unique_ptr<Core>& target = cores_[message.to.value() - 1];
      if (target) {
        target->Step(message);
      } else {
        to_absent_.push_back(std::move(message));
      }
    }
  }

  std::array<std::unique_ptr<Core>, 3> cores_;
  std::deque<Message> to_absent_;
  Effects effects_;
};

// What a follower that agrees with everything says to a message; to be stamped by the caller.
void Agree(Core& leader, const Message& message) {
  Message reply{.from = message.to,
                .to = message.from,
                .from_incarnation = Incarnation(message.to.value()),
                .term = message.term};
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    reply.body = VoteReply{.kind = vote->kind, .granted = true};
  } else if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    reply.body =
        AppendReply{.success = true, .match = append->previous.index + append->entries.size()};
  } else if (const auto* beat = std::get_if<Heartbeat>(&message.body)) {
    reply.body = HeartbeatReply{.read_sequence = beat->read_sequence};
  } else {
    return;
  }
  leader.Step(reply);
}

void RunWithAgreement(Pump& pump) {
  pump.Run();
  while (!pump.to_absent().empty()) {
    const Message message = std::move(pump.to_absent().front());
    pump.to_absent().pop_front();
    Agree(pump.leader(), message);
    if (pump.to_absent().empty()) pump.Run();
  }
}

void ProposeBatch(Core& leader, std::int64_t batch) {
  for (std::int64_t i = 0; i < batch; ++i) {
    const ProposeResult result = leader.Propose(Blob(std::string(kPayloadBytes, 'x')));
    CHECK(std::holds_alternative<LogPosition>(result));
  }
}

void Report(benchmark::State& state, const Core& leader, Index before) {
  CHECK(leader.commit_index() == leader.last().index);
  state.SetItemsProcessed(static_cast<std::int64_t>(leader.commit_index() - before));
}

void TrioCommits(benchmark::State& state) {
  Pump pump(3);
  pump.leader().Campaign();
  pump.Run();
  CHECK(pump.leader().role() == Role::kLeader);
  const Index before = pump.leader().commit_index();

  for (auto _ : state) {
    ProposeBatch(pump.leader(), state.range(0));
    pump.Run();
  }

  Report(state, pump.leader(), before);
}
BENCHMARK(TrioCommits)->Arg(1)->Arg(16)->Arg(256)->Arg(1000);

void LeaderCommits(benchmark::State& state) {
  Pump pump(1);
  pump.leader().Campaign();
  RunWithAgreement(pump);
  CHECK(pump.leader().role() == Role::kLeader);
  const Index before = pump.leader().commit_index();

  for (auto _ : state) {
    ProposeBatch(pump.leader(), state.range(0));
    RunWithAgreement(pump);
  }

  Report(state, pump.leader(), before);
}
BENCHMARK(LeaderCommits)->Arg(1)->Arg(16)->Arg(256)->Arg(1000);

}  // namespace
}  // namespace coterie::raft

BENCHMARK_MAIN();
