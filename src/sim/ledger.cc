#include "sim/ledger.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "sim/server.h"
#include "sim/violation.h"

namespace coterie::sim {
namespace {

// Reading a whole disk takes as long as a hundred other events.
constexpr std::uint64_t kLooksPerThoroughLook = 50;
constexpr std::uint64_t kPumpsPerDeepCheck = 16;

std::string Name(NodeId id) { return absl::StrCat("node ", id.value()); }

}  // namespace

Ledger::Ledger(const Schedule& schedule, Trace& trace, std::uint64_t seed)
    : schedule_(schedule), trace_(trace), prng_(seed ^ 0x6c656467) {}

// --- Lives ---

void Ledger::OnStart(NodeId id, const node::Replica& replica) {
  ++counts_.starts;
  checked_[id] = Index();
  applied_[id] = replica.machine().applied().index;
  leader_last_.erase(id);
  if (lost_[id].empty() && replica.core().promised() != raft::LogPosition()) {
    Violate(absl::StrCat(Name(id), " has lost entries, and nobody has damaged its disk"));
  }
  CheckDisk(id, ImageOf(find_disk_(id)));
}

void Ledger::OnFailedStart(NodeId id, bool has_crashed, const absl::Status& status) {
  trace_.Note(schedule_.now_us(), "failed-start", {id.value()});
  // The device failed while the log was opened: as good as a crash.
  if (has_crashed || absl::IsUnavailable(status)) return;
  Violate(absl::StrCat(Name(id), " does not start: ", status.ToString()));
}

void Ledger::OnLoss(NodeId id, const io::FaultyDirectory& files, Incarnation incarnation) {
  ++counts_.losses;
  const DiskImage& image = ImageOf({.id = id, .incarnation = incarnation, .files = &files});
  Lost lost{.held = image.terms(), .members = image.members()};
  for (Index index(1); index <= std::min(image.snapshot(), highest_commit()); ++index) {
    lost.held[index] = committed_[index.value() - 1].term;
  }
  if (image.snapshot() <= highest_commit()) {
    lost.members[image.snapshot()] = ConfigurationAt(image.snapshot());
  }
  lost_[id].push_back(std::move(lost));
  images_.erase(id);
}

void Ledger::OnComplaint(NodeId id, const absl::Status& status) {
  trace_.Note(schedule_.now_us(), "complaint", {id.value()});
  if (!lost_[id].empty()) return;
  Violate(absl::StrCat(
      Name(id), " says that its disk is damaged, and nobody has damaged it: ", status.ToString()));
}

// --- Disks ---

const DiskImage& Ledger::ImageOf(const Disk& disk) {
  ++counts_.disks_read;
  DiskImage& image = images_[disk.id];
  const auto thoroughness = prng_.Chance(1, kLooksPerThoroughLook)
                                ? DiskImage::Thoroughness::kFromTheStart
                                : DiskImage::Thoroughness::kReadOn;
  if (const absl::Status looked = image.Look(disk, thoroughness); !looked.ok()) {
    Violate(absl::StrCat("the disk of ", Name(disk.id),
                         " could not be read after a power cut: ", looked.ToString()));
  }
  return image;
}

bool Ledger::Holds(NodeId id, const raft::EntryRef& entry) {
  for (const Lost& lost : lost_[id]) {
    const auto found = lost.held.find(entry.index);
    if (found != lost.held.end() && found->second == entry.term) return true;
  }
  const Disk disk = find_disk_(id);
  return disk.files != nullptr && ImageOf(disk).Holds(entry);
}

bool Ledger::IsComplete(NodeId id) {
  if (committed_.empty()) return true;
  const Disk disk = find_disk_(id);
  if (disk.files == nullptr) return false;
  const DiskImage& image = ImageOf(disk);
  const raft::EntryRef& last = committed_.back();
  if (image.snapshot() >= last.index) return true;
  const auto found = image.terms().find(last.index);
  return found != image.terms().end() && found->second == last.term;
}

void Ledger::CheckVote(NodeId from, const Disk& disk, Term term, NodeId vote) {
  ++counts_.votes;
  const auto [known, is_new] = votes_.emplace(std::pair(disk.incarnation, term), vote);
  if (known->second != vote) {
    Violate(absl::StrCat(Name(from), " voted for ", known->second.value(), " and for ",
                         vote.value(), " in term ", term.value()));
  }
  const raft::HardState& durable = ImageOf(disk).hard_state();
  const bool is_durable = durable.term > term || (durable.term == term && durable.vote == vote);
  if (!is_durable) {
    Violate(absl::StrCat(Name(from), " told of a vote in term ", term.value(),
                         " that is not on its disk: there it is in term ", durable.term.value()));
  }
}

// Whoever is voted for holds every committed entry that the voter holds (Raft paper 5.4.1), but
// for those of that very term, which come from the one who was voted for.
void Ledger::CheckChoice(NodeId from, const Disk& disk, Term term, NodeId candidate) {
  const auto asked = asked_.find({term, candidate});
  if (asked == asked_.end()) {
    Violate(absl::StrCat(Name(from), " voted for ", candidate.value(), " in term ", term.value(),
                         ", and was not asked"));
  }
  const DiskImage& image = ImageOf(disk);
  for (Index index = highest_commit(); index > asked->second.index; index = index.Previous()) {
    const Term committed = committed_[index.value() - 1].term;
    if (committed >= term) continue;
    const auto found = image.terms().find(index);
    const bool holds =
        index <= image.snapshot() || (found != image.terms().end() && found->second == committed);
    if (!holds) continue;
    if (raft::LogPosition{.term = committed, .index = index} <= asked->second) return;
    Violate(absl::StrCat(Name(from), ", which holds the committed entry ", committed.value(), "/",
                         index.value(), ", voted in term ", term.value(), " for ",
                         candidate.value(), ", whose log ended at ", asked->second.term.value(),
                         "/", asked->second.index.value()));
  }
}

// What a power cut would leave besides entries.
void Ledger::CheckDisk(NodeId id, const DiskImage& image) {
  if (!lost_[id].empty()) return;
  const raft::HardState& state = image.hard_state();
  if (!state.vote.IsNone() && state.vote != id && !asked_.contains({state.term, state.vote})) {
    Violate(absl::StrCat("the disk of ", Name(id), " holds a vote for ", state.vote.value(),
                         " in term ", state.term.value(), ", who has not asked for it"));
  }
  const Index snapshot = image.snapshot();
  if (snapshot.IsNone() || snapshot > highest_commit()) return;
  const raft::Configuration& members = ConfigurationAt(snapshot);
  if (image.snapshot_configuration() == members) return;
  // Founders know each other without an entry. Who was none and got the log from its first entry on
  // knows of no members up to the one that adds it, and may compact that far.
  if (image.snapshot_configuration().members.empty() && !members.IsMember(id)) return;
  Violate(absl::StrCat("the disk of ", Name(id), " holds other members at ", snapshot.value(),
                       ", where its log begins, than were committed up to there"));
}

// --- What is said ---

void Ledger::OnSend(NodeId from, Incarnation incarnation, const io::FaultyDirectory& files,
                    std::string_view frame) {
  const std::optional<node::PeerMessage> decoded = node::DecodePeerMessage(frame);
  if (!decoded) Violate(absl::StrCat(Name(from), " sent a frame that does not decode"));
  const auto* message = std::get_if<raft::Message>(&decoded->body);
  if (message == nullptr) return;
  const Disk disk{.id = from, .incarnation = incarnation, .files = &files};
  if (const auto* reply = std::get_if<raft::VoteReply>(&message->body)) {
    if (reply->granted && reply->kind != raft::VoteKind::kPreVote) {
      CheckVote(from, disk, message->term, message->to);
      CheckChoice(from, disk, message->term, message->to);
    }
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message->body)) {
    if (request->kind == raft::VoteKind::kPreVote) return;
    asked_.emplace(std::pair(message->term, from), request->last);
    CheckVote(from, disk, message->term, from);
  } else if (const auto* append = std::get_if<raft::AppendRequest>(&message->body)) {
    CheckAppend(from, *message, *append);
  }
}

void Ledger::CheckAppend(NodeId from, const raft::Message& message,
                         const raft::AppendRequest& request) {
  const auto [leader, is_new] = leaders_.emplace(message.term, from);
  if (leader->second != from) {
    Violate(absl::StrCat("term ", message.term.value(), " has two leaders: nodes ",
                         leader->second.value(), " and ", from.value()));
  }
  Term previous = request.previous.term;
  for (const raft::EntryRef& entry : request.entries) {
    const Known known{.digest = DigestOf(entry), .previous_term = previous};
    const auto [found, is_first] = entries_.emplace(std::pair(entry.index, entry.term), known);
    if (found->second.digest != known.digest || found->second.previous_term != previous) {
      Violate(absl::StrCat("Log Matching: two different entries ", entry.term.value(), "/",
                           entry.index.value(), ", the second from ", Name(from)));
    }
    previous = entry.term;
  }
}

// --- What is held ---

void Ledger::OnCore(NodeId id, Incarnation /*incarnation*/, const raft::Core& core) {
  if (prng_.Chance(1, kPumpsPerDeepCheck)) core.CheckInvariantsDeep();
  if (core.role() == raft::Role::kLeader) {
    CheckLeader(id, core);
  } else {
    leader_last_.erase(id);
  }
  CheckCommits(id, core);
}

void Ledger::CheckLeader(NodeId id, const raft::Core& core) {
  const raft::LogPosition now{.term = core.term(), .index = core.last().index};
  const auto [leader, is_new] = leaders_.emplace(core.term(), id);
  if (leader->second != id) {
    Violate(absl::StrCat("Election Safety: term ", core.term().value(), " is led by nodes ",
                         leader->second.value(), " and ", id.value()));
  }
  const auto last = leader_last_.find(id);
  if (last != leader_last_.end() && last->second.term == now.term) {
    if (now.index < last->second.index) {
      Violate(absl::StrCat("Leader Append-Only: the log of ", Name(id), " has become shorter"));
    }
    last->second = now;
    return;
  }
  leader_last_.insert_or_assign(id, now);
  ++counts_.leaders;
  trace_.Note(schedule_.now_us(), "leader", {id.value(), now.term.value(), now.index.value()});
  // Whatever was committed in an earlier term. One that wakes up to votes of long ago may still
  // come to lead a term that is over; it can commit nothing.
  for (Index index = core.first_index(); index <= highest_commit(); ++index) {
    if (commit_terms_[index.value() - 1] >= now.term) break;
    if (index <= now.index && core.EntryAt(index).term == committed_[index.value() - 1].term) {
      continue;
    }
    Violate(absl::StrCat("Leader Completeness: ", Name(id), " leads term ", now.term.value(),
                         " without the committed entry ", index.value()));
  }
}

void Ledger::CheckCommits(NodeId id, const raft::Core& core) {
  Index& checked = checked_[id];
  const Index commit = core.commit_index();
  if (commit < std::min(checked, core.last().index)) {
    Violate(absl::StrCat(Name(id), " took back its commit index"));
  }
  for (Index index = std::max(checked.Next(), core.first_index()); index <= commit; ++index) {
    const raft::EntryRef& entry = core.EntryAt(index);
    if (index > highest_commit()) {
      OnCommitted(entry, core);
      continue;
    }
    const raft::EntryRef& known = committed_[index.value() - 1];
    if (known.term != entry.term || known.payload.view() != entry.payload.view()) {
      Violate(absl::StrCat("State Machine Safety: ", Name(id), " holds ", entry.term.value(), "/",
                           index.value(), " as committed, which was ", known.term.value(), "/",
                           index.value()));
    }
  }
  if (commit > checked || checked.IsNone()) CheckMembers(id, core);
  checked = std::max(checked, commit);
}

const raft::Configuration& Ledger::ConfigurationAt(Index index) const {
  return std::prev(configurations_.upper_bound(index))->second;
}

// While no change is on its way; a node that waits to be added knows of no members.
void Ledger::CheckMembers(NodeId id, const raft::Core& core) {
  const Index commit = core.commit_index();
  if (commit.IsNone() || core.configuration().voters.empty()) return;
  if (core.promised() != raft::LogPosition()) return;
  for (Index index = commit.Next(); index <= core.last().index; ++index) {
    if (core.EntryAt(index).type == raft::EntryType::kConfiguration) return;
  }
  if (core.configuration() == ConfigurationAt(commit)) return;
  if (AreKnownFromLoss(id, commit, core.configuration())) return;
  Violate(absl::StrCat(Name(id), " goes by other members at ", commit.value(),
                       " than were committed up to there"));
}

// Who lost a part of its log goes by the newest members that it still found there
// (node/repair.cc), until the entry that said so has come again.
bool Ledger::AreKnownFromLoss(NodeId id, Index commit, const raft::Configuration& members) const {
  const auto found = lost_.find(id);
  if (found == lost_.end()) return false;
  return std::ranges::any_of(found->second, [&](const Lost& lost) {
    return std::any_of(lost.members.upper_bound(commit), lost.members.end(),
                       [&](const auto& said) { return said.second == members; });
  });
}

void Ledger::OnCommitted(const raft::EntryRef& entry, const raft::Core& core) {
  if (entry.index != highest_commit().Next()) {
    Violate(absl::StrCat("entry ", entry.index.value(), " was committed before ",
                         highest_commit().Next().value()));
  }
  if (entry.type == raft::EntryType::kCommand &&
      !state::DecodeStampedCommand(entry.payload.view())) {
    Violate(absl::StrCat("entry ", entry.index.value(), " is committed and cannot be read"));
  }
  committed_.push_back(entry);
  commit_terms_.push_back(core.term());
  if (entry.type == raft::EntryType::kConfiguration) {
    configurations_.emplace(entry.index, *raft::DecodeConfiguration(entry.payload.view()));
  }
  trace_.Note(schedule_.now_us(), "commit", {entry.index.value(), entry.term.value()});
  // By the configuration that the leader counts with; a follower learns of it later.
  if (core.role() != raft::Role::kLeader) return;
  const raft::Configuration& configuration = core.configuration();
  const auto holds = [&](NodeId id) { return Holds(id, entry); };
  const auto is_majority = [&](const std::vector<NodeId>& voters) {
    return static_cast<std::size_t>(std::ranges::count_if(voters, holds)) > voters.size() / 2;
  };
  if (!is_majority(configuration.voters) ||
      (configuration.IsJoint() && !is_majority(configuration.voters_outgoing))) {
    Violate(absl::StrCat("entry ", entry.term.value(), "/", entry.index.value(),
                         " is committed and not on a majority of disks"));
  }
}

void Ledger::OnApply(NodeId id, const node::Replica& replica) {
  const state::Machine& machine = replica.machine();
  if (machine.divergence()) {
    Violate(absl::StrCat(Name(id), " has diverged: ", machine.divergence()->what));
  }
  const Index index = machine.applied().index;
  Index& applied = applied_[id];
  if (index < applied) Violate(absl::StrCat(Name(id), " took back what it had applied"));
  applied = index;
  if (index > highest_commit()) {
    Violate(absl::StrCat(Name(id), " applied ", index.value(), ", which is not committed"));
  }
  const auto [known, is_new] = digests_.emplace(index, machine.digest());
  if (known->second != machine.digest()) {
    Violate(absl::StrCat("State Machine Safety: the state of ", Name(id), " at ", index.value(),
                         " is not what another node's was"));
  }
}

}  // namespace coterie::sim
