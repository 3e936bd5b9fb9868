#include "sim/server.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "sim/violation.h"
#include "wal/recovery.h"
#include "wal/segment.h"
#include "wal/testing/version_1.h"

namespace coterie::sim {
namespace {

constexpr std::uint64_t kWallStartMs = 1'700'000'000'000;
constexpr std::size_t kSnapshotPieceBytes = 4'000;
constexpr std::uint64_t kLongLogEntries = 100'000;
constexpr std::size_t kSectorBytes = 512;
// The apply and snapshot threads look after timers even without input.
constexpr std::uint64_t kTicksPerTending = 3;
constexpr std::uint64_t kTicksPerSnapshotPoll = 50;

}  // namespace

// --- The clock ---

std::uint64_t SkewedClock::NowMicros() const {
  return base_us_ + (schedule_.now_us() - base_true_us_) * rate_per_mille_ / 1'000;
}
std::uint64_t SkewedClock::WallTimeMs() const {
  return kWallStartMs + static_cast<std::uint64_t>(static_cast<std::int64_t>(NowMicros() / 1'000) +
                                                   wall_offset_ms_);
}
void SkewedClock::SetRate(std::uint64_t per_mille) {
  base_us_ = NowMicros();
  base_true_us_ = schedule_.now_us();
  rate_per_mille_ = per_mille;
}

// --- Life and death ---

Server::Server(Surroundings around, NodeId id, std::vector<raft::Member> founders)
    : schedule_(around.schedule),
      trace_(around.trace),
      plan_(around.plan),
      network_(around.network),
      ledger_(around.ledger),
      watch_(around.watch),
      find_(std::move(around.find)),
      id_(id),
      founders_(std::move(founders)),
      prng_(around.plan.seed * 1'009 + id.value()),
      clock_(around.schedule),
      incarnation_(1'000 + id.value()),
      disk_(std::make_unique<io::FaultyDirectory>(around.plan.seed * 31 + id.value())),
      peer_version_(around.plan.Has(Fault::kUpgrade) ? node::kPeerVersionOldest
                                                     : node::kPeerVersionNewest) {}

Server::~Server() = default;

node::Options Server::OptionsOf() const {
  node::Options options;
  options.id = id_;
  options.cluster_id = kClusterId;
  options.founders = founders_;
  options.peer_address = absl::StrCat("node", id_.value());
  options.tick = absl::Microseconds(kTickUs);
  options.election_timeout_ticks = kElectionTimeoutTicks;
  options.heartbeat_interval_ticks = 2;
  const bool is_log_kept = plan_.are_logs_unequal && id_.value() % 2 == 0;
  options.log_entries_max = is_log_kept ? kLongLogEntries : plan_.log_entries_max;
  options.machine = kMachineOptions;
  options.log_trailing_entries_max = plan_.log_trailing_entries_max;
  options.log = {.segment_bytes = plan_.log_segment_bytes,
                 .fill_ahead_bytes = 4 << 10,
                 .reserve_bytes = 1 << 20};
  options.append_bytes_max = plan_.append_bytes_max;
  options.uncommitted_bytes_max = plan_.uncommitted_bytes_max;
  options.digest_interval_entries = 16;
  options.peer_version_newest = peer_version_;
  return options;
}

void Server::Start() {
  if (IsUp()) return;
  ++life_;
  trace_.Note(schedule_.now_us(), "start", {id_.value(), life_});
  is_awake_.fill(false);
  is_doomed_ = false;
  absl::StatusOr<std::unique_ptr<node::Replica>> replica = node::Replica::Open(
      OptionsOf(), node::World{.peers = *this,
                               .clock = clock_,
                               .log_directory = *disk_,
                               .storage = storage_,
                               // As good as random: no life's requests may look like another's.
                               .seed = prng_.Next(),
                               .incarnation = incarnation_,
                               .on_fatal = [this](const absl::Status&) { is_doomed_ = true; },
                               .on_damage =
                                   [this](const absl::Status& status) {
                                     ++complaints_;
                                     ledger_.OnComplaint(id_, status);
                                   }});
  if (!replica.ok()) {
    // Its disk may have been about to fail: then it has, and is restarted later.
    ledger_.OnFailedStart(id_, disk_->has_crashed(), replica.status());
    disk_->Restart();
    storage_.Crash();
    return;
  }
  replica_ = *std::move(replica);
  ledger_.OnStart(id_, *replica_);
  const std::uint64_t life = life_;
  schedule_.After(prng_.Below(kTickUs), [this, life] {
    if (life == life_) Tick();
  });
  Wake();
}

void Server::Crash() {
  if (!IsUp()) return;
  trace_.Note(schedule_.now_us(), "crash", {id_.value(), life_});
  replica_->Close();
  replica_->Finish();
  replica_.reset();
  disk_->Restart();
  storage_.Crash();
  paused_until_us_ = hung_until_us_ = apply_hung_until_us_ = 0;
}

void Server::CrashMidway(std::uint64_t operations) {
  if (IsUp()) disk_->CrashAt(disk_->operations() + operations);
}
void Server::FailNextOperation() {
  if (!IsUp()) return;
  disk_->FailAt(disk_->operations() + 1, absl::UnavailableError("the device says EIO"));
}
void Server::PauseUntil(std::uint64_t time_us) { paused_until_us_ = time_us; }
void Server::HangDiskUntil(std::uint64_t time_us) { hung_until_us_ = time_us; }
void Server::SetDiskFull(bool is_full) {
  disk_->free_bytes = is_full ? 1'000 : 1ULL << 40;
  storage_.SetFull(is_full);
}

void Server::Wipe() {
  CHECK(!IsUp());
  ledger_.OnLoss(id_, *disk_, incarnation_);
  incarnation_ = Incarnation(incarnation_.value() + 1'000);
  disk_ = std::make_unique<io::FaultyDirectory>(plan_.seed * 37 + incarnation_.value());
  storage_ = node::MemoryStorage();
}

DamageKind Server::Damage() {
  CHECK(!IsUp());
  ledger_.OnLoss(id_, *disk_, incarnation_);
  if (prng_.Chance(1, 5)) {
    trace_.Note(schedule_.now_us(), "damaged-state", {id_.value()});
    storage_.Damage();
    return DamageKind::kState;
  }
  const std::vector<std::string> names = *disk_->List();
  const std::string& name = names[prng_.Below(names.size())];
  std::string bytes = disk_->Contents(name);
  auto kind = bytes.empty() ? DamageKind::kMissing : static_cast<DamageKind>(prng_.Below(5));
  const std::uint64_t at = bytes.empty() ? 0 : prng_.Below(bytes.size());
  const std::uint64_t sector = at / kSectorBytes * kSectorBytes;
  const std::size_t size = std::min<std::size_t>(kSectorBytes, bytes.size() - sector);
  const std::string other = disk_->Contents(names[prng_.Below(names.size())]);
  if (kind == DamageKind::kMisdirected && other.size() < size) kind = DamageKind::kTorn;
  trace_.Note(schedule_.now_us(), "damaged-log",
              {id_.value(), static_cast<std::uint64_t>(kind), at});
  switch (kind) {
    case DamageKind::kMissing:
      static_cast<void>(disk_->Remove(name));
      static_cast<void>(disk_->Sync());
      return kind;
    case DamageKind::kTruncated:
      bytes.resize(at);
      break;
    case DamageKind::kTorn:
      bytes.replace(sector, size, size, '\0');
      break;
    case DamageKind::kMisdirected: {
      const std::uint64_t from = prng_.Below(other.size() - size + 1) / kSectorBytes * kSectorBytes;
      bytes.replace(sector, size, other.substr(from, size));
      break;
    }
    case DamageKind::kFlipped:
    case DamageKind::kState:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << prng_.Below(8)));
  }
  disk_->Overwrite(name, bytes);
  return kind;
}

bool Server::DamageEntry(const raft::EntryRef& entry) {
  CHECK(!IsUp());
  ledger_.OnLoss(id_, *disk_, incarnation_);
  bool is_found = false;
  std::map<std::string, std::string> before;
  const std::vector<std::string> names = *disk_->List();
  for (const std::string& name : names) {
    if (!wal::SegmentSequence(name)) continue;
    std::string bytes = disk_->Contents(name);
    before[name] = bytes;
    const std::string payload(entry.payload.view());
    for (std::size_t at = bytes.find(payload); at != std::string::npos;
         at = bytes.find(payload, at + payload.size())) {
      const std::size_t chosen = at + prng_.Below(payload.size());
      bytes[chosen] = static_cast<char>(bytes[chosen] ^ (1 << prng_.Below(8)));
      is_found = true;
    }
    disk_->Overwrite(name, bytes);
  }
  const absl::StatusOr<wal::Replayed> left = wal::Replay(
      *disk_->DurableImage(), {.cluster_id = kClusterId, .node = id_, .incarnation = incarnation_});
  trace_.Note(schedule_.now_us(), "damaged-entry",
              {id_.value(), entry.index.value(), is_found ? 1U : 0U});
  if (!is_found || !left.ok()) return false;
  if (!left->recovered.damage.empty() || left->recovered.torn_bytes == 0) return true;
  for (const auto& [name, bytes] : before) disk_->Overwrite(name, bytes);
  return false;
}

void Server::Upgrade() {
  CHECK(!IsUp() && IsOld());
  trace_.Note(schedule_.now_us(), "upgraded", {id_.value()});
  peer_version_ = node::kPeerVersionNewest;
  disk_->ForgetFaults();
  const wal::Identity identity{.cluster_id = kClusterId, .node = id_, .incarnation = incarnation_};
  const absl::StatusOr<wal::Replayed> replayed = wal::Replay(*disk_, identity);
  CHECK(replayed.ok());
  wal::testing::WriteVersion1(*disk_, identity, replayed->recovered);
  ledger_.OnRewrite(id_);
}

void Server::Calm() {
  is_calm_ = true;
  SetDiskFull(false);
  paused_until_us_ = hung_until_us_ = apply_hung_until_us_ = 0;
  clock_.SetRate(1'000);
  disk_->ForgetFaults();
  if (!IsUp()) Start();
  // What was put off until the end of a pause or a hang is due now.
  is_awake_.fill(false);
  Wake();
}

// --- Pumps ---

void Server::Tick() {
  // A period in its own time, which is this long in ours.
  const std::uint64_t period_us = kTickUs * 1'000 / clock_.rate_per_mille();
  const std::uint64_t life = life_;
  schedule_.After(period_us, [this, life] {
    if (life == life_ && IsUp()) Tick();
  });
  ++ticks_;
  WakePump(kCore, 0);
  if (ticks_ % kTicksPerTending == 0) {
    WakePump(kApply, 0);
    WakePump(kLog, DelayOf(kLog));
  }
  if (ticks_ % kTicksPerSnapshotPoll == 0) WakePump(kSnapshots, 0);
}

void Server::Wake() {
  if (!IsUp()) return;
  const node::Replica::Waiting waiting = replica_->waiting();
  if (waiting.core) WakePump(kCore, DelayOf(kCore));
  if (waiting.log) WakePump(kLog, DelayOf(kLog));
  if (waiting.apply) WakePump(kApply, DelayOf(kApply));
  if (waiting.snapshots) WakePump(kSnapshots, DelayOf(kSnapshots));
}

std::uint64_t Server::DelayOf(Pump pump) {
  if (pump == kLog) {
    const std::uint64_t usual_us = is_calm_ ? 300 : plan_.disk_us;
    return prng_.Between(usual_us / 2, usual_us * 2);
  }
  // Mostly at once; now and then somebody else has the processor.
  return prng_.Chance(1, 20) ? prng_.Below(5'000) : prng_.Below(60);
}

void Server::WakePump(Pump pump, std::uint64_t delay_us) {
  if (is_awake_.at(pump)) return;
  is_awake_.at(pump) = true;
  const std::uint64_t time_us = std::max(schedule_.now_us() + delay_us, FreeAt(pump));
  const std::uint64_t life = life_;
  schedule_.At(time_us, [this, life, pump] {
    if (life != life_ || !IsUp()) return;
    is_awake_.at(pump) = false;
    if (schedule_.now_us() < FreeAt(pump)) return WakePump(pump, 0);
    RunPump(pump);
  });
}

std::uint64_t Server::FreeAt(Pump pump) const {
  if (pump == kLog) return std::max(paused_until_us_, hung_until_us_);
  if (pump == kApply) return std::max(paused_until_us_, apply_hung_until_us_);
  return paused_until_us_;
}

void Server::RunPump(Pump pump) {
  switch (pump) {
    case kCore:
      replica_->PumpCore(absl::ZeroDuration());
      ledger_.OnCore(id_, incarnation_, replica_->core());
      watch_.OnCore(id_, replica_->core());
      break;
    case kLog:
      replica_->PumpLog(absl::ZeroDuration());
      break;
    case kApply:
      replica_->PumpApply(absl::ZeroDuration());
      ledger_.OnApply(id_, *replica_);
      if (replica_->machine().level() > peer_version_) {
        Violate(absl::StrCat("node ", id_.value(), " has a state that its version does not read"));
      }
      break;
    case kSnapshots:
      replica_->PumpSnapshots(absl::ZeroDuration());
      break;
  }
  trace_.Note(schedule_.now_us(), "pump", {id_.value(), pump});
  if (is_doomed_) return Crash();
  Wake();
}

// --- The network ---

void Server::Deliver(const std::string& bytes) {
  if (!IsUp()) return;
  // What it does not read is not sent to it, but for the question whether it does.
  if (node::IsNewerFrame(bytes, peer_version_) && !node::IsNewerFrame(bytes)) {
    const std::optional<node::PeerMessage> message = node::DecodePeerMessage(bytes);
    if (!message || !std::holds_alternative<node::Greeting>(message->body)) {
      Violate(absl::StrCat("node ", id_.value(), " was sent what its version does not read"));
    }
  }
  if (IsOld()) CheckIsRead(bytes);
  replica_->Deliver(bytes);
  Wake();
}

// Whoever is of an older version gets no entry that it must stop at.
void Server::CheckIsRead(const std::string& bytes) const {
  const std::optional<node::PeerMessage> message = node::DecodePeerMessage(bytes);
  const auto* said = message ? std::get_if<raft::Message>(&message->body) : nullptr;
  const auto* append = said == nullptr ? nullptr : std::get_if<raft::AppendRequest>(&said->body);
  if (append == nullptr) return;
  for (const raft::EntryRef& entry : append->entries) {
    if (entry.type != raft::EntryType::kCommand) continue;
    if (state::LevelOfPayload(entry.payload.view()) <= peer_version_) continue;
    Violate(absl::StrCat("node ", id_.value(), " was sent entry ", entry.index.value(),
                         ", which its version does not read"));
  }
}

void Server::Send(std::vector<node::Frame> frames) {
  for (node::Frame& frame : frames) {
    if (!known_.contains(frame.to)) continue;
    CHECK(static_cast<std::uint8_t>(frame.bytes.front()) <= peer_version_);
    ledger_.OnSend(id_, incarnation_, *disk_, frame.bytes);
    network_.Send(id_, std::move(frame));
  }
}

void Server::SetMembers(const std::vector<raft::Member>& members) {
  known_.clear();
  for (const raft::Member& member : members) known_.insert(member.id);
}

absl::StatusOr<node::Peers::SnapshotSlice> Server::FetchSnapshot(NodeId leader, Term term,
                                                                 std::uint64_t transfer_id,
                                                                 std::uint64_t offset) {
  Server* const source = find_(leader);
  if (source == nullptr || !source->IsUp() || source->IsPaused() ||
      !network_.CanReach(id_, leader)) {
    return absl::UnavailableError("the leader cannot be reached");
  }
  return source->replica()->ReadSnapshot(id_, term, transfer_id, offset, kSnapshotPieceBytes);
}

}  // namespace coterie::sim
