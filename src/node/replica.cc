#include "node/replica.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "base/overload.h"
#include "node/alarms.h"
#include "node/repair.h"
#include "node/restore.h"
#include "runtime/status_macros.h"

namespace coterie::node {
namespace {

constexpr std::size_t kCoreInboxMax = 200'000;
constexpr std::size_t kJobInboxMax = 100'000;
constexpr std::uint64_t kGreetingIntervalUs = 1'000'000;
// A peer that wrote in the oldest version for so long is an older program again. Until then it is
// one that has not heard yet what this node reads.
constexpr std::uint64_t kVersionKeptUs = 3'000'000;
// So long after a frame that was refused the operator is told that this program is outdated.
constexpr std::uint64_t kOutdatedUs = 10'000'000;
// A node that is no member goes on asking for votes, or answering, and is told again.
constexpr std::uint64_t kStandingKeptUs = 3'000'000;

// The founders' membership, the same on each of them.
raft::Configuration Founding(const std::vector<raft::Member>& founders) {
  raft::Configuration configuration;
  configuration.members = founders;
  std::sort(configuration.members.begin(), configuration.members.end(),
            [](const raft::Member& a, const raft::Member& b) { return a.id < b.id; });
  for (const raft::Member& member : configuration.members) {
    configuration.voters.push_back(member.id);
  }
  return configuration;
}

void Complain(const World& world, std::string_view what, absl::string_view why) {
  if (!world.on_damage) return;
  world.on_damage(absl::DataLossError(absl::StrCat(std::string(what), " (", why, ")")));
}

absl::Status UnreadableError(const std::string& folder, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the state in ", folder, " is not of this version of Coterie (", why,
      "): start the version that wrote it, `coterie export` every document, and `coterie import` "
      "them into a new cluster of this version; if the other members run this version, remove this "
      "node instead and add it again with an empty folder"));
}

bool IsBlank(const wal::Recovered& recovered) {
  return recovered.snapshot.last.index.IsNone() && recovered.entries.empty() &&
         recovered.snapshot.configuration.voters.empty() && recovered.hard_state.term.IsNone();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Replica>> Replica::Open(const Options& options, World world) {
  const wal::Identity identity{
      .cluster_id = options.cluster_id, .node = options.id, .incarnation = world.incarnation};
  ASSIGN_OR_RETURN(wal::Log::Opened opened,
                   wal::Log::Open(world.log_directory, identity, options.log));
  const bool is_founding =
      opened.recovered.damage.empty() && IsBlank(opened.recovered) && !options.founders.empty();
  if (is_founding) RETURN_IF_ERROR(FoundCluster(options, world, opened));
  const bool is_restored = is_founding && !options.restore_from.empty();
  absl::Status state =
      is_restored ? absl::OkStatus() : world.storage.Open(opened.recovered.snapshot.last.index);
  if (absl::IsDataLoss(state)) {
    Complain(world, "the state is damaged and is fetched anew", state.message());
    RETURN_IF_ERROR(world.storage.Discard());
    state = world.storage.Open(Index());
  }
  RETURN_IF_ERROR(state);
  // Before the log is touched: nothing of what another version left must be changed.
  auto machine = std::make_unique<state::Machine>(world.storage.kv(), options.machine);
  if (!machine->why_unreadable().empty()) {
    return UnreadableError(options.data_path, machine->why_unreadable());
  }
  if (IsLogLost(opened.recovered, machine->applied())) return LostLogError(options.data_path);
  RETURN_IF_ERROR(RepairLog(options, world, opened));
  return std::unique_ptr<Replica>(
      new Replica(options, std::move(world), std::move(opened), std::move(machine), is_founding));
}

absl::Status Replica::FoundCluster(const Options& options, const World& world,
                                   wal::Log::Opened& opened) {
  raft::Configuration founding = Founding(options.founders);
  if (!founding.IsValid()) {
    return absl::InvalidArgumentError(
        "the founders do not form a cluster: give each id once, at most 7 of them");
  }
  if (!options.restore_from.empty()) {
    wal::Recovered& recovered = opened.recovered;
    ASSIGN_OR_RETURN(recovered.snapshot, Restore(options.restore_from, options.cluster_id, founding,
                                                 options.machine, world.storage));
    recovered.hard_state.term = recovered.snapshot.last.term;
    return opened.log->Mend(recovered.hard_state, recovered.snapshot, {});
  }
  opened.recovered.snapshot.configuration = founding;
  return opened.log->Compact({.last = {}, .configuration = std::move(founding)},
                             wal::Log::Keep::kSuffix);
}

// After this log and state fit together, and the log says what is missing.
absl::Status Replica::RepairLog(const Options& options, const World& world,
                                wal::Log::Opened& opened) {
  const std::optional<std::string> value = world.storage.kv().Get(state::kAppliedKey);
  const std::optional<state::Applied> applied = value ? state::DecodeApplied(*value) : std::nullopt;
  wal::Recovered& recovered = opened.recovered;
  std::optional<Repaired> repaired = Repair(recovered, applied.value_or(state::Applied()));
  if (!repaired) return absl::OkStatus();
  for (const wal::Damage& damage : recovered.damage) {
    Complain(world, absl::StrCat("the log is damaged from entry ", damage.first.value(), " on"),
             damage.what);
  }
  // Before the first change of members the founders were it.
  if (repaired->mark.configuration.voters.empty()) {
    repaired->mark.configuration = Founding(options.founders);
  }
  RETURN_IF_ERROR(opened.log->Mend(repaired->hard_state, repaired->mark, repaired->entries));
  recovered.hard_state = repaired->hard_state;
  recovered.snapshot = std::move(repaired->mark);
  recovered.entries = std::move(repaired->entries);
  ++recovered.epoch;
  return absl::OkStatus();
}

Replica::Replica(const Options& options, World world, wal::Log::Opened opened,
                 std::unique_ptr<state::Machine> machine, bool is_founding)
    : options_(options),
      is_founding_(is_founding),
      world_(std::move(world)),
      tick_us_(static_cast<std::uint64_t>(absl::ToInt64Microseconds(options.tick))),
      election_timeout_us_(options.election_timeout_ticks * tick_us_),
      started_us_(world_.clock.NowMicros()),
      base_configuration_(opened.recovered.snapshot.configuration),
      core_inbox_(kCoreInboxMax),
      log_inbox_(kJobInboxMax),
      apply_inbox_(kJobInboxMax),
      snapshot_inbox_(kJobInboxMax),
      proposals_(world_.seed | 1),
      reads_(1),
      journal_(options.id, world_.clock),
      ticked_us_(started_us_),
      log_(std::move(opened.log)),
      machine_(std::move(machine)),
      leases_(election_timeout_us_) {
  CHECK(tick_us_ > 0);
  wal::Recovered& recovered = opened.recovered;
  const state::Applied& applied = machine_->applied();
  NoteApplied();
  applied_term_ = applied.term;
  journal_.NoteJump({.term = applied.term, .index = applied.index});
  digest_proposed_ = applied.index;
  sessions_.Replace(machine_->Sessions());
  is_fenced_.store(machine_->divergence().has_value());  // It found out before it was restarted.
  log_bytes_.store(log_->size_bytes());
  has_room_.store(log_->HasRoom());

  core_ = std::make_unique<raft::Core>(
      raft::Options{.id = options.id,
                    .incarnation = world_.incarnation,
                    .election_timeout = Ticks(options.election_timeout_ticks),
                    .heartbeat_interval = Ticks(options.heartbeat_interval_ticks),
                    .append_bytes_max = options.append_bytes_max,
                    // What comes meanwhile travels and is synced together: that is what makes
                    // batches, and few of them are what makes writes cheap, and quick where
                    // cores are busy.
                    .in_flight_per_tick_max = 1,
                    .uncommitted_bytes_max = options.uncommitted_bytes_max,
                    .append_jobs_in_flight_max = 1,
                    .trailing_entries_max = options.log_trailing_entries_max},
      raft::Recovered{.hard_state = recovered.hard_state,
                      .snapshot = recovered.snapshot.last,
                      .snapshot_configuration = std::move(recovered.snapshot.configuration),
                      .entries = std::move(recovered.entries),
                      .applied = applied.index,
                      .epoch = recovered.epoch},
      Prng(world_.seed));
  for (const raft::Member& founder : options.founders) {
    if (founder.id == options.id) own_address_ = founder.address;
  }
  if (!options.peer_address.empty()) own_address_ = options.peer_address;
  PublishStatus();
}

Replica::~Replica() = default;

std::uint64_t Replica::DeadlineAfter(absl::Duration timeout) const {
  return Now() +
         static_cast<std::uint64_t>(std::max<std::int64_t>(0, absl::ToInt64Microseconds(timeout)));
}

void Replica::Propose(const state::Command& command, absl::Duration timeout,
                      Done<state::Outcome> done) {
  if (absl::Status status = CheckServes(); !status.ok()) return done(std::move(status));
  PendingProposal pending{.done = std::move(done),
                          .deadline_us = DeadlineAfter(timeout),
                          .command = Blob(state::EncodeCommand(command)),
                          .is_repeatable = state::IsRepeatable(command)};
  Blob encoded = pending.command;
  // Kept aside so that a full table can still be answered.
  Done<state::Outcome> answer = pending.done;
  const Office office = FollowedOffice();
  if (!office.leader.IsNone()) {
    pending.sent_term = office.term;
    pending.sent_us = Now();
  }
  const std::optional<std::uint64_t> waiter = proposals_.Add(std::move(pending));
  if (!waiter) {
    answer(absl::ResourceExhaustedError("too many calls wait on this node; retry in a moment"));
    return;
  }
  if (!office.leader.IsNone()) {
    // Still the same: Handle(TermApplied) of a later one has yet to come, and will find it.
    if (FollowedOffice() == office && !core_inbox_.IsClosed()) {
      SendTo(office.leader, ForwardedProposal{.waiter = *waiter, .command = std::move(encoded)});
      return;
    }
    proposals_.Update(*waiter, [](PendingProposal& unsent) {
      unsent.sent_term = Term();
      unsent.sent_us = 0;
    });
  }
  if (!core_inbox_.TryPush(
          ProposalInput{.command = std::move(encoded), .origin = options_.id, .waiter = *waiter})) {
    FailProposal(*waiter, core_inbox_.IsClosed()
                              ? absl::UnavailableError("this node is stopping; ask another one")
                              : absl::ResourceExhaustedError("this node is overloaded; retry"));
  }
}

Standing Replica::standing() const {
  const std::uint64_t told_us = told_us_.load();
  if (told_us != 0 && Now() - told_us < kStandingKeptUs) return told_standing_.load();
  return is_stranger_.load() ? Standing::kStranger : Standing::kMember;
}

absl::Status Replica::CheckServes() const {
  if (is_fenced_.load()) {
    return absl::FailedPreconditionError(
        "this node's state has diverged from the cluster's and is fenced; ask another node");
  }
  switch (standing()) {
    case Standing::kMember:
      return absl::OkStatus();
    case Standing::kStranger:
      return absl::FailedPreconditionError(absl::StrCat("this node", WhatToDo("NOT_MEMBER")));
    case Standing::kOtherDisk:
      return absl::FailedPreconditionError(absl::StrCat("this node", WhatToDo("OTHER_DISK")));
  }
  return absl::InternalError("unknown standing");
}

// A follower's proposals go to the leader without a stop at the core thread. It publishes a change
// of office before anything that was committed in the new one is applied.
Replica::Office Replica::FollowedOffice() const {
  absl::MutexLock lock(&status_mutex_);
  const bool is_follower = status_.role == raft::Role::kFollower && status_.leader != options_.id;
  return is_follower ? Office{.leader = status_.leader, .term = status_.term} : Office();
}

void Replica::Read(Consistency consistency, absl::Duration timeout, Node::Query query,
                   Done<Revision> done) {
  if (absl::Status status = CheckServes(); !status.ok()) return done(std::move(status));
  Done<Revision> answer = done;
  const std::optional<std::uint64_t> waiter = reads_.Add(
      {.query = std::move(query), .done = std::move(done), .deadline_us = DeadlineAfter(timeout)});
  if (!waiter) {
    answer(absl::ResourceExhaustedError("too many reads wait on this node; retry in a moment"));
    return;
  }
  const bool is_queued = consistency == Consistency::kStale
                             ? apply_inbox_.TryPush(StaleRead{.waiter = *waiter})
                             : core_inbox_.TryPush(ReadInput{.waiter = *waiter});
  if (is_queued) return;
  if (std::optional<PendingRead> pending = reads_.Take(*waiter)) {
    pending->done(core_inbox_.IsClosed()
                      ? absl::UnavailableError("this node is stopping; ask another one")
                      : absl::ResourceExhaustedError("this node is overloaded; retry"));
  }
}

std::uint64_t Replica::Subscribe(Node::Listener listener) {
  absl::MutexLock lock(&listeners_mutex_);
  const std::uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return id;
}

void Replica::Unsubscribe(std::uint64_t id) {
  absl::MutexLock lock(&listeners_mutex_);
  listeners_.erase(id);
}

Status Replica::status() const {
  Status status;
  {
    absl::MutexLock lock(&status_mutex_);
    status = status_;
  }
  status.applied = Index(applied_.load());
  status.log_bytes = log_bytes_.load();
  status.store_bytes = world_.storage.size_bytes();
  status.sessions = sessions_.size();
  status.uptime_ms = (Now() - started_us_) / 1'000;
  if (!has_room_.load()) status.alarms.emplace_back("NOSPACE");
  if (is_fenced_.load()) status.alarms.emplace_back("DIVERGED");
  if (is_repairing_.load()) status.alarms.emplace_back("REPAIRING");
  const std::uint64_t newer_frame_us = newer_frame_us_.load();
  if (newer_frame_us != 0 && Now() - newer_frame_us < kOutdatedUs) {
    status.alarms.emplace_back("OUTDATED");
  }
  if (HasOutdatedMember(status.configuration)) status.alarms.emplace_back("OUTDATED_MEMBER");
  if (is_disk_slow_.load()) status.alarms.emplace_back("SLOW_DISK");
  if (standing() == Standing::kStranger) status.alarms.emplace_back("NOT_MEMBER");
  if (standing() == Standing::kOtherDisk) status.alarms.emplace_back("OTHER_DISK");
  return status;
}

void Replica::Reconfigure(const raft::MembershipChange& change, absl::Duration timeout,
                          Done<Revision> done) {
  core_inbox_.Push(ReconfigureInput{
      .change = change, .deadline_us = DeadlineAfter(timeout), .done = std::move(done)});
}

void Replica::TransferLeadership(NodeId target, absl::Duration timeout, Done<NodeId> done) {
  core_inbox_.Push(TransferInput{
      .target = target, .deadline_us = DeadlineAfter(timeout), .done = std::move(done)});
}

void Replica::TakeSnapshot(absl::Duration timeout, Done<Revision> done) {
  apply_inbox_.Push(StoreFirst{
      .then = TakeSnapshotInput{.deadline_us = DeadlineAfter(timeout), .done = std::move(done)}});
}

void Replica::TakeBackup(Done<StateBackup> done) {
  apply_inbox_.Push(StoreFirst{.then = TakeBackupInput{.done = std::move(done)}});
}

void Replica::Deliver(std::string_view frame) {
  std::optional<PeerMessage> message = DecodePeerMessage(frame, options_.peer_version_newest);
  if (!message && IsNewerFrame(frame, options_.peer_version_newest)) NoteNewerFrame();
  if (!message || message->cluster_id != options_.cluster_id || message->from == options_.id) {
    counters_.frames_dropped.Add();
    return;
  }
  NoteAddress(message->from, message->from_address);
  NoteVersion(*message);
  const NodeId from = message->from;
  journal_.NoteFrame(from);
  std::visit(
      Overload{[this, from](raft::Message& raft_message) {
                 if (raft_message.from != from || raft_message.to != options_.id) return;
                 journal_.NoteReceived(raft_message);
                 static_cast<void>(core_inbox_.TryPush(std::move(raft_message)));
               },
               [this, from](ForwardedProposal& proposal) {
                 ProposalInput input{.command = std::move(proposal.command),
                                     .origin = from,
                                     .waiter = proposal.waiter};
                 if (!core_inbox_.TryPush(std::move(input))) {
                   SendTo(from, ForwardRefused{.waiter = proposal.waiter,
                                               .reason = ForwardRefusal::kBusy});
                 }
               },
               [this](ForwardRefused& refused) {
                 static_cast<void>(core_inbox_.TryPush(ForwardRefused(refused)));
               },
               [this, from](const RenewLeases& renewal) {
                 renewals_.Note(from, renewal.sessions, Now());
               },
               [this, from](Activities& activities) { presence_.Receive(from, activities, Now()); },
               [](const Greeting&) {},
               [this](const NotMember& told) {
                 told_standing_.store(told.standing);
                 told_us_.store(std::max<std::uint64_t>(1, Now()));
               },
               [this, from](const Gossip& gossip) {
                 absl::MutexLock lock(&gossip_mutex_);
                 if (on_gossip_) on_gossip_(from, gossip.bytes);
               }},
      message->body);
}

void Replica::SendGossip(const std::string& bytes) {
  CHECK(bytes.size() <= kGossipBytesMax);
  for (const NodeId id : OtherMembers()) {
    if (VersionFor(id) == 1) continue;  // It has no gateway.
    SendTo(id, Gossip{.bytes = bytes});
  }
}

void Replica::OnGossip(Node::GossipListener listener) {
  absl::MutexLock lock(&gossip_mutex_);
  on_gossip_ = std::move(listener);
}

std::vector<NodeId> Replica::OtherMembers() const {
  std::vector<NodeId> others;
  absl::MutexLock lock(&status_mutex_);
  for (const raft::Member& member : status_.configuration.members) {
    if (member.id != options_.id) others.push_back(member.id);
  }
  return others;
}

void Replica::NoteAddress(NodeId from, const std::string& address) {
  if (address.empty()) return;
  {
    absl::MutexLock lock(&known_peers_mutex_);
    std::string& known = known_peers_[from].address;
    if (known == address) return;
    known = address;
  }
  core_inbox_.Push(LearnedPeer{.id = from, .address = address});
}

void Replica::NoteVersion(const PeerMessage& message) {
  const std::uint8_t newest = options_.peer_version_newest;
  const std::uint64_t now_us = Now();
  {
    absl::MutexLock lock(&known_peers_mutex_);
    KnownPeer& peer = known_peers_[message.from];
    if (peer.first_heard_us == 0) peer.first_heard_us = std::max<std::uint64_t>(1, now_us);
    if (message.newest > kPeerVersionOldest) {
      peer.version = std::min(message.newest, newest);
      peer.heard_us = now_us;
      peer.is_settled = true;
    } else if (now_us - peer.heard_us > kVersionKeptUs) {
      peer.version = kPeerVersionOldest;
      peer.is_settled = now_us - peer.first_heard_us > kVersionKeptUs;
    }
    // Of the oldest, or it does not know yet what this node reads.
    if (message.version >= newest || now_us - peer.greeted_us < kGreetingIntervalUs) return;
    peer.greeted_us = now_us;
  }
  static_cast<void>(core_inbox_.TryPush(GreetInput{.peer = message.from}));
}

std::uint8_t Replica::VersionFor(NodeId peer) const {
  absl::MutexLock lock(&known_peers_mutex_);
  const auto found = known_peers_.find(peer);
  return found == known_peers_.end() ? kPeerVersionOldest : found->second.version;
}

bool Replica::HasHeardOf(NodeId peer) const {
  absl::MutexLock lock(&known_peers_mutex_);
  const auto found = known_peers_.find(peer);
  return found != known_peers_.end() && found->second.first_heard_us != 0;
}

// Whether some member is known to run a program that does not read the state.
bool Replica::HasOutdatedMember(const raft::Configuration& configuration) const {
  const std::uint64_t level = level_applied_.load(std::memory_order_relaxed);
  absl::MutexLock lock(&known_peers_mutex_);
  return std::ranges::any_of(configuration.members, [&](const raft::Member& member) {
    const auto found = known_peers_.find(member.id);
    return found != known_peers_.end() && found->second.is_settled && found->second.version < level;
  });
}

// A program must stop for good at an entry that it does not read: until it is upgraded it is not
// sent any, and stays behind. It is told what it has yet to say about its version by heartbeats.
bool Replica::IsReadBy(NodeId peer, const raft::Message& message) const {
  const auto* append = std::get_if<raft::AppendRequest>(&message.body);
  if (append == nullptr) return true;
  const std::uint8_t version = VersionFor(peer);
  if (version == kPeerVersionNewest) return true;
  return std::ranges::all_of(append->entries, [version](const raft::EntryRef& entry) {
    return entry.type != raft::EntryType::kCommand ||
           state::LevelOfPayload(entry.payload.view()) <= version;
  });
}

void Replica::NoteNewerFrame() {
  const bool is_first = newer_frame_us_.exchange(std::max<std::uint64_t>(1, Now())) == 0;
  if (is_first && world_.on_newer_frame) world_.on_newer_frame();
}

absl::StatusOr<Peers::SnapshotSlice> Replica::ReadSnapshot(NodeId reader, Term term,
                                                           std::uint64_t transfer_id,
                                                           std::uint64_t offset, std::size_t size) {
  return transfers_.Read({.peer = reader, .term = term, .id = transfer_id}, offset, size, Now());
}

PeerMessage Replica::Envelope(PeerBody body) const {
  return {.cluster_id = options_.cluster_id,
          .from = options_.id,
          .from_address = own_address_,
          .newest = options_.peer_version_newest,
          .body = std::move(body)};
}

void Replica::SendTo(NodeId to, PeerBody body) {
  std::vector<Frame> frames;
  frames.push_back({.to = to,
                    .lane = Lane::kControl,
                    .bytes = EncodePeerMessage(Envelope(std::move(body)), VersionFor(to))});
  world_.peers.Send(std::move(frames));
}

void Replica::SendRaft(std::vector<raft::Message>& messages) {
  if (messages.empty()) return;
  std::vector<Frame> frames;
  frames.reserve(messages.size());
  for (raft::Message& message : messages) {
    const bool is_append = std::holds_alternative<raft::AppendRequest>(message.body) ||
                           std::holds_alternative<raft::AppendReply>(message.body);
    const NodeId to = message.to;
    if (!IsReadBy(to, message)) continue;
    journal_.NoteSent(message);
    frames.push_back({.to = to,
                      .lane = is_append ? Lane::kAppends : Lane::kControl,
                      .bytes = EncodePeerMessage(Envelope(std::move(message)), VersionFor(to))});
  }
  messages.clear();
  world_.peers.Send(std::move(frames));
}

Replica::Waiting Replica::waiting() const {
  return {.core = core_inbox_.HasNews() || !core_inputs_.empty(),
          .log = log_inbox_.size() > 0 || !log_inputs_.empty(),
          .apply = apply_inbox_.size() > 0 || !apply_inputs_.empty(),
          .snapshots = snapshot_inbox_.size() > 0 || !snapshot_inputs_.empty()};
}

void Replica::Close() {
  world_.storage.StopWaiting();
  core_inbox_.Close();
  log_inbox_.Close();
  apply_inbox_.Close();
  snapshot_inbox_.Close();
}

void Replica::Finish() {
  const absl::Status stopping = absl::UnavailableError("this node is stopping; ask another one");
  for (PendingProposal& pending : proposals_.TakeIf([](auto, auto&) { return true; })) {
    pending.done(stopping);
  }
  for (PendingRead& pending : reads_.TakeIf([](auto, auto&) { return true; })) {
    pending.done(stopping);
  }
  if (pending_change_) std::exchange(pending_change_, std::nullopt)->done(stopping);
  if (pending_transfer_) std::exchange(pending_transfer_, std::nullopt)->done(stopping);
}

}  // namespace coterie::node
