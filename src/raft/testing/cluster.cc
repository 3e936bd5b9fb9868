#include "raft/testing/cluster.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "raft/testing/describe.h"

namespace coterie::raft::testing {
namespace {

Options MakeOptions(NodeId id, Incarnation incarnation) {
  return {.id = id,
          .incarnation = incarnation,
          .election_timeout = Ticks(10),
          .heartbeat_interval = Ticks(2),
          .append_bytes_max = 200,  // A few entries: many messages.
          .in_flight_messages_max = 4,
          .in_flight_bytes_max = 1000,
          .uncommitted_bytes_max = 4000,
          .unapplied_bytes_max = 500,
          .append_jobs_in_flight_max = 3,
          .reads_pending_max = 20,
          .trailing_entries_max = 3};
}

}  // namespace

Cluster::Cluster(std::size_t voters, std::size_t servers, std::uint64_t seed) : prng_(seed) {
  for (std::uint64_t id = 1; id <= voters; ++id) {
    founders_.voters.push_back(NodeId(id));
    founders_.members.push_back({.id = NodeId(id)});
  }
  for (std::uint64_t id = 1; id <= servers; ++id) {
    Server& server = servers_[NodeId(id)];
    server.incarnation = Incarnation(prng_.Next() | 1);
    if (id <= voters) server.disk.snapshot_configuration = founders_;
    Boot(NodeId(id));
  }
}

std::vector<NodeId> Cluster::ids() const {
  std::vector<NodeId> ids;
  for (const auto& [id, server] : servers_) ids.push_back(id);
  return ids;
}

void Cluster::Boot(NodeId id) {
  Server& server = servers_.at(id);
  const Disk& disk = server.disk;
  server.core =
      std::make_unique<Core>(MakeOptions(id, server.incarnation),
                             Recovered{.hard_state = disk.hard_state,
                                       .snapshot = disk.snapshot,
                                       .snapshot_configuration = disk.snapshot_configuration,
                                       .entries = disk.entries,
                                       .applied = disk.applied,
                                       .epoch = disk.epoch},
                             Prng(prng_.Next()));
  checked_commit_[id] = disk.snapshot.index;
  Drain(id);
}

void Cluster::Crash(NodeId id) {
  Server& server = servers_.at(id);
  if (!server.core) return;
  server.core.reset();
  // The log thread may have got on with some of it, without anybody having heard.
  std::uint64_t persisted = prng_.Below(server.jobs.size() + 1);
  for (; persisted > 0; --persisted) {
    Persist(server.disk, server.jobs.front());
    server.jobs.pop_front();
  }
  server.jobs.clear();
  server.applies.clear();
  server.sends.clear();
  server.transfers.clear();
  server.installs.clear();
  server.open_reads.clear();
}

void Cluster::Restart(NodeId id) {
  if (!IsUp(id)) Boot(id);
}

void Cluster::Wipe(NodeId id) {
  Crash(id);
  Server& server = servers_.at(id);
  server.lost = std::exchange(server.disk, {});
  if (founders_.IsMember(id)) server.disk.snapshot_configuration = founders_;
  server.incarnation = Incarnation(prng_.Next() | 1);
}

void Cluster::Damage(NodeId id) {
  Crash(id);
  Server& server = servers_.at(id);
  server.lost = server.disk;
  Disk& disk = server.disk;
  const LogPosition last = disk.entries.empty() ? disk.snapshot : disk.entries.back().position();
  const std::uint64_t applied = std::max(disk.applied, disk.snapshot.index) - disk.snapshot.index;
  disk.entries.resize(prng_.Between(applied, disk.entries.size()));
  const LogPosition unknown{.term = disk.hard_state.term, .index = kUnknownExtent};
  disk.hard_state.promised =
      std::max(disk.hard_state.promised, prng_.Chance(1, 2) ? last : unknown);
}

void Cluster::Drain(NodeId id) {
  Server& server = servers_.at(id);
  while (server.core->HasEffects()) {
    server.core->Drain(server.effects);
    Effects& effects = server.effects;
    if (trace) TraceEffects(id, effects);
    for (Message& message : effects.send_now) network_.push_back(std::move(message));
    if (effects.append) server.jobs.push_back(*std::move(effects.append));
    if (effects.apply) server.applies.push_back(*std::move(effects.apply));
    std::ranges::copy(effects.send_snapshots, std::back_inserter(server.sends));
    if (effects.install_snapshot) server.installs.push_back(*effects.install_snapshot);
    if (effects.compact) {
      // The log thread works in order; that it is not instant is the log's own test.
      Disk& disk = server.disk;
      const LogPosition last = effects.compact->last;
      std::erase_if(disk.entries, [&](const EntryRef& entry) { return entry.index <= last.index; });
      disk.snapshot = last;
      disk.snapshot_configuration = effects.compact->configuration;
    }
    for (const ReadReady& read : effects.reads) {
      const auto open = server.open_reads.find(read.id);
      CHECK(open != server.open_reads.end());  // Answered once.
      if (!read.index.IsNone()) {
        CHECK(read.index >= open->second);  // Linearizable.
        ++reads_answered;
      }
      server.open_reads.erase(open);
    }
  }
  CheckSafety(id);
}

void Cluster::Trace(NodeId id, const std::string& what) {
  if (trace) trace("  " + std::to_string(id.value()) + ": " + what);
}

void Cluster::TraceEffects(NodeId id, const Effects& effects) {
  if (effects.role_change) Trace(id, Describe(*effects.role_change));
  if (effects.configuration) Trace(id, "members " + Describe(*effects.configuration));
  for (const Message& message : effects.send_now) Trace(id, "send " + Describe(message));
  if (effects.append) Trace(id, Describe(*effects.append));
  if (effects.apply) Trace(id, "apply " + Describe(effects.apply->entries));
  for (const SendSnapshotJob& job : effects.send_snapshots) {
    Trace(id, "send snapshot to " + std::to_string(job.peer.value()));
  }
  if (effects.install_snapshot) {
    Trace(id, "install snapshot " + Describe(effects.install_snapshot->last) + " of " +
                  std::to_string(effects.install_snapshot->leader.value()));
  }
  if (effects.compact) Trace(id, "compact to " + Describe(effects.compact->last));
  for (const ReadReady& read : effects.reads) {
    Trace(id,
          read.index.IsNone() ? "read refused" : "read at " + std::to_string(read.index.value()));
  }
  for (const Dropped& dropped : effects.dropped) Trace(id, "dropped " + Describe(dropped.position));
}

void Cluster::Tick(NodeId id) {
  core(id).Tick();
  Drain(id);
}

void Cluster::Deliver(std::size_t position) {
  const Message message = std::move(network_[position]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  const auto to = servers_.find(message.to);
  const bool is_lost =
      cuts.contains({message.from, message.to}) || to == servers_.end() || !to->second.core;
  if (trace) trace((is_lost ? "lost " : "") + Describe(message));
  if (is_lost) return;
  to->second.core->Step(message);
  Drain(message.to);
}

void Cluster::Persist(Disk& disk, const AppendJob& job) {
  CHECK(job.epoch >= disk.epoch);
  disk.epoch = job.epoch;
  if (!job.truncate_from.IsNone()) {
    std::erase_if(disk.entries,
                  [&](const EntryRef& entry) { return entry.index >= job.truncate_from; });
  }
  for (const EntryRef& entry : job.entries) {
    const Index last = disk.entries.empty() ? disk.snapshot.index : disk.entries.back().index;
    CHECK(entry.index == last.Next());
    disk.entries.push_back(entry);
  }
  if (job.hard_state) {
    const HardState& now = *job.hard_state;
    CHECK(now.term >= disk.hard_state.term);
    // One vote per term, on disk (Raft paper 5.2).
    CHECK(now.term > disk.hard_state.term || disk.hard_state.vote.IsNone() ||
          now.vote == disk.hard_state.vote);
    disk.hard_state = now;
  }
}

bool Cluster::CompleteAppend(NodeId id) {
  Server& server = servers_.at(id);
  if (!server.core || server.jobs.empty()) return false;
  AppendJob job = std::move(server.jobs.front());
  server.jobs.pop_front();
  Persist(server.disk, job);
  for (Message& message : job.after_durable) network_.push_back(std::move(message));
  const bool is_awaited = server.core->AwaitsDisk();
  const auto all_asked = [&] {
    return network_.size() + server.jobs.size() + server.applies.size() + server.open_reads.size() +
           server.sends.size();
  };
  const std::size_t asked = all_asked();
  server.core->Step(AppendDone{.sequence = job.sequence});
  Drain(id);
  CHECK(is_awaited || all_asked() == asked);  // A driver may have told it later.
  return true;
}

bool Cluster::CompleteApply(NodeId id) {
  Server& server = servers_.at(id);
  if (!server.core || server.applies.empty()) return false;
  const ApplyJob job = std::move(server.applies.front());
  server.applies.pop_front();
  for (const EntryRef& entry : job.entries) {
    CHECK(entry.index == server.disk.applied.Next());
    server.disk.applied = entry.index;
    server.disk.state.emplace(entry.index, entry);
  }
  server.core->Step(ApplyDone{.index = job.entries.back().index});
  Drain(id);
  return true;
}

bool Cluster::CompleteSend(NodeId id, bool ok) {
  Server& server = servers_.at(id);
  if (!server.core || server.sends.empty()) return false;
  const SendSnapshotJob job = server.sends.front();
  server.sends.pop_front();
  if (ok && !server.disk.applied.IsNone()) {
    const EntryRef& last = server.disk.state.rbegin()->second;
    // The configuration at the applied index, from what was applied.
    Configuration configuration = founders_;
    for (const auto& [index, entry] : server.disk.state) {
      if (entry.type == EntryType::kConfiguration) {
        configuration = *DecodeConfiguration(entry.payload.view());
      }
    }
    network_.push_back({.from = id,
                        .to = job.peer,
                        .from_incarnation = server.incarnation,
                        .term = job.term,
                        .body = SnapshotOffer{.last = last.position(),
                                              .configuration = std::move(configuration),
                                              .transfer_id = job.transfer_id}});
  }
  if (ok) {
    server.transfers.push_back(job);
  } else {
    server.core->Step(SnapshotSent{.peer = job.peer, .transfer_id = job.transfer_id});
  }
  Drain(id);
  return true;
}

bool Cluster::CompleteTransfer(NodeId id, bool ok) {
  Server& server = servers_.at(id);
  if (!server.core || server.transfers.empty()) return false;
  const SendSnapshotJob job = server.transfers.front();
  server.transfers.pop_front();
  server.core->Step(SnapshotSent{.peer = job.peer, .transfer_id = job.transfer_id, .ok = ok});
  Drain(id);
  return true;
}

bool Cluster::CompleteInstall(NodeId id, bool ok) {
  Server& server = servers_.at(id);
  if (!server.core || server.installs.empty()) return false;
  const InstallSnapshotJob job = server.installs.front();
  server.installs.pop_front();
  if (ok) {
    // The log thread works through what it was handed before it resets the log; what it is handed
    // meanwhile comes after.
    for (std::size_t jobs = server.jobs.size(); jobs > 0; --jobs) CompleteAppend(id);
    server.applies.clear();
    ++snapshots_installed;
    Disk& disk = server.disk;
    disk.entries.clear();
    disk.snapshot = job.last;
    disk.snapshot_configuration = job.configuration;
    disk.applied = job.last.index;
    for (const auto& [index, entry] : committed_) {
      if (index <= job.last.index) disk.state.insert_or_assign(index, entry);
    }
  }
  server.core->Step(SnapshotInstalled{.leader = job.leader,
                                      .term = job.term,
                                      .transfer_id = job.transfer_id,
                                      .last = job.last,
                                      .configuration = job.configuration,
                                      .ok = ok});
  Drain(id);
  return true;
}

void Cluster::TakeSnapshot(NodeId id) {
  Server& server = servers_.at(id);
  if (!server.core || server.disk.state.empty()) return;
  server.core->Step(SnapshotTaken{.last = server.disk.state.rbegin()->second.position()});
  Drain(id);
}

bool Cluster::Propose(NodeId id, std::string payload) {
  const ProposeResult result = core(id).Propose(Blob(std::move(payload)));
  Drain(id);
  return std::holds_alternative<LogPosition>(result);
}

void Cluster::Read(NodeId id) {
  const std::uint64_t read = next_read_++;
  server(id).open_reads[read] = highest_commit_;
  core(id).Read(read);
  Drain(id);
}

NodeId Cluster::Leader() const {
  NodeId leader;
  Term term;
  for (const auto& [id, server] : servers_) {
    if (server.core && server.core->role() == Role::kLeader && server.core->term() > term) {
      leader = id;
      term = server.core->term();
    }
  }
  return leader;
}

bool Cluster::Settle(std::size_t rounds) {
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const NodeId id : ids()) {
      if (!IsUp(id)) continue;
      Tick(id);
    }
    for (std::size_t step = 0; step < 60; ++step) {
      std::vector<Message> batch = std::exchange(network_, {});
      for (const Message& message : batch) {
        if (cuts.contains({message.from, message.to}) || !IsUp(message.to)) continue;
        core(message.to).Step(message);
        Drain(message.to);
      }
      for (const NodeId id : ids()) {
        while (CompleteAppend(id) || CompleteApply(id) || CompleteSend(id, true) ||
               CompleteInstall(id, true)) {
        }
      }
      if (network_.empty()) break;
    }
    for (const NodeId id : ids()) {
      while (CompleteTransfer(id, false)) {
      }
    }
    const NodeId leader = Leader();
    if (leader.IsNone()) continue;
    const Core& core = *servers_.at(leader).core;
    bool is_settled = core.commit_index() == core.last().index && !core.configuration().IsJoint();
    for (const Member& member : core.configuration().members) {
      const Server& other = servers_.at(member.id);
      if (!other.core || cuts.contains({leader, member.id})) continue;
      if (!member.incarnation.IsNone() && member.incarnation != other.incarnation) continue;
      is_settled = is_settled && other.disk.applied == core.commit_index();
    }
    if (is_settled) return true;
  }
  return false;
}

// --- The promises (Raft paper, figure 3) ---

void Cluster::CheckSafety(NodeId id) {
  const Server& server = servers_.at(id);
  server.core->CheckInvariantsDeep();
  if (server.core->role() == Role::kLeader) {
    const auto [leader, is_new] = leaders_.emplace(server.core->term(), id);
    CHECK(leader->second == id);  // Election Safety.
    if (is_new) {
      ++leaders_elected;
      CHECK(server.core->last().index >= highest_commit_);  // Leader Completeness.
    }
  }
  CheckCommitted(id);
}

void Cluster::CheckCommitted(NodeId id) {
  const Server& server = servers_.at(id);
  Index& checked = checked_commit_.at(id);
  checked = std::max(checked, server.core->first_index().Previous());
  const Index commit = server.core->commit_index();
  for (Index index = checked.Next(); index <= commit; ++index) {
    const auto known = committed_.find(index);
    const EntryRef& entry = server.core->EntryAt(index);
    if (known != committed_.end()) {
      CHECK(known->second == entry);  // State Machine Safety.
      continue;
    }
    committed_.emplace(index, entry);
    // Durable on a majority of disks before anybody calls it committed.
    const auto is_on = [&](const Disk& disk) {
      if (disk.snapshot.index >= index) return true;
      const std::uint64_t position = index - disk.snapshot.index.Next();
      return position < disk.entries.size() && disk.entries[position] == entry;
    };
    const auto holds = [&](NodeId voter) {
      return is_on(servers_.at(voter).disk) || is_on(servers_.at(voter).lost);
    };
    const auto count = [&](const std::vector<NodeId>& voters) {
      return static_cast<std::size_t>(std::ranges::count_if(voters, holds)) > voters.size() / 2;
    };
    // By the leader's configuration at that time; a follower may learn of it later, and of less.
    if (server.core->role() == Role::kLeader) {
      const Configuration& configuration = server.core->configuration();
      CHECK(count(configuration.voters));
      CHECK(!configuration.IsJoint() || count(configuration.voters_outgoing));
    }
  }
  checked = std::max(checked, commit);
  highest_commit_ = std::max(highest_commit_, commit);
}

}  // namespace coterie::raft::testing
