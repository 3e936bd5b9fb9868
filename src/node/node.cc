#include "node/node.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/posix_clock.h"
#include "io/posix_file.h"
#include "node/identity.h"
#include "node/journal.h"
#include "node/repair.h"
#include "node/replica.h"
#include "node/restore.h"
#include "node/rocks_storage.h"
#include "node/threads.h"
#include "runtime/status_macros.h"

namespace coterie::node {
namespace {

constexpr std::string_view kSegmentSuffix = ".wal";

// A failed write or sync of the log: what is on the disk is unknown, and a retry would lie about it
// (Rebello et al., ATC 2020). The other nodes go on; a restart reads what is really there.
[[noreturn]] void StopProcess(const absl::Status& status) {
  static_cast<void>(
      std::fprintf(stderr, "FATAL: the disk failed, stopping before anything untrue is said: %s\n",
                   status.ToString().c_str()));
  std::_Exit(70);  // EX_SOFTWARE of sysexits.h; no destructors: they would write.
}

void SayOutdated() {
  static_cast<void>(std::fprintf(
      stderr,
      "OUTDATED: another node writes in a version that this program does not know; such messages "
      "are refused. Finish the upgrade: install the newer program here too.\n"));
}

void SayDamage(const absl::Status& status) {
  static_cast<void>(
      std::fprintf(stderr,
                   "DAMAGED DISK: %s. It is repaired from the other nodes; replace the "
                   "disk if this happens again.\n",
                   std::string(status.message()).c_str()));
}

std::uint64_t RandomSeed() {
  std::random_device device;
  const std::uint64_t high = device();
  return ((high << 32) | device()) | 1;
}

}  // namespace

class Node::Impl {
 public:
  Impl(const Options& options, std::unique_ptr<io::Directory> log_directory)
      : log_directory_(std::move(log_directory)),
        storage_(absl::StrCat(options.data_path, "/state")) {}

  absl::Status Start(const Options& options, Peers& peers) {
    const std::uint64_t seed = RandomSeed();
    // Before the folder is anybody's: what is wrong with the backup can then still be mended.
    ASSIGN_OR_RETURN(std::vector<std::string> files, log_directory_->List());
    std::erase(files, kIdentityDraftName);  // Of a start that was broken off before anything else.
    const std::string state_path = absl::StrCat(options.data_path, "/state");
    const bool has_state = std::filesystem::exists(state_path);
    // Before anything is written that would be in the way of the log that was there.
    if (files.empty() && has_state) return LostLogError(options.data_path);
    const bool has_log = std::ranges::any_of(
        files, [](const std::string& name) { return name.ends_with(kSegmentSuffix); });
    if (has_log && !has_state) {
      SayDamage(absl::DataLossError(
          absl::StrCat("the state in ", state_path, " is gone and is made anew")));
    }
    if (files.empty() && !options.restore_from.empty()) {
      RETURN_IF_ERROR(CheckBackup(options.restore_from, options.cluster_id));
    }
    Identity wanted{.log = {.cluster_id = options.cluster_id,
                            .node = options.id,
                            .incarnation = Incarnation(seed)}};
    if (files.empty()) {
      ASSIGN_OR_RETURN(wanted.founding, FoundingOf(options.founders, options.restore_from));
    }
    ASSIGN_OR_RETURN(const Identity identity, EstablishIdentity(*log_directory_, wanted));
    founding_ = identity.founding;
    peers.SetFounding(founding_);
    ASSIGN_OR_RETURN(replica_, Replica::Open(options, {.peers = peers,
                                                       .clock = clock_,
                                                       .log_directory = *log_directory_,
                                                       .storage = storage_,
                                                       .seed = seed,
                                                       .incarnation = identity.log.incarnation,
                                                       .on_fatal = StopProcess,
                                                       .on_damage = SayDamage,
                                                       .on_newer_frame = SayOutdated}));
    threads_.emplace(*replica_);
    return absl::OkStatus();
  }

  Replica& replica() { return *replica_; }
  const Replica& replica() const { return *replica_; }
  std::uint32_t founding() const { return founding_; }

 private:
  io::PosixClock clock_;
  std::unique_ptr<io::Directory> log_directory_;
  RocksStorage storage_;
  std::uint32_t founding_ = 0;
  std::unique_ptr<Replica> replica_;
  std::optional<Threads> threads_;  // Last: joined before what they use goes.
};

absl::StatusOr<std::unique_ptr<Node>> Node::Start(Options options, Peers& peers) {
  RETURN_IF_ERROR(io::MakeFolders(absl::StrCat(options.data_path, "/log")));
  ASSIGN_OR_RETURN(std::unique_ptr<io::Directory> log_directory,
                   io::OpenPosixDirectory(absl::StrCat(options.data_path, "/log")));
  auto impl = std::make_unique<Impl>(options, std::move(log_directory));
  RETURN_IF_ERROR(impl->Start(options, peers));
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

void Node::Propose(const state::Command& command, absl::Time deadline, Done<state::Outcome> done) {
  impl_->replica().Propose(command, deadline - absl::Now(), std::move(done));
}
void Node::Read(Consistency consistency, absl::Time deadline, Query query, Done<Revision> done) {
  impl_->replica().Read(consistency, deadline - absl::Now(), std::move(query), std::move(done));
}
const SessionDirectory& Node::sessions() const { return impl_->replica().sessions(); }

std::uint64_t Node::Subscribe(Listener listener) {
  return impl_->replica().Subscribe(std::move(listener));
}
void Node::Unsubscribe(std::uint64_t id) { impl_->replica().Unsubscribe(id); }

void Node::StreamOpened(SessionId session) { impl_->replica().presence().StreamOpened(session); }
void Node::StreamClosed(SessionId session) { impl_->replica().presence().StreamClosed(session); }
bool Node::HasStreams(SessionId session) const {
  return impl_->replica().presence().HasStreams(session);
}
std::vector<SessionId> Node::LeftWithStreams(const state::Machine& state) const {
  std::vector<SessionId> sessions = impl_->replica().presence().SessionsWithStreams();
  std::erase_if(sessions, [&state](SessionId id) {
    const std::optional<state::SessionView> session = state.FindSession(id);
    return !session || !session->attached.IsNone();  // One that has ended does not join again.
  });
  return sessions;
}
void Node::SetActivity(const Presence& presence) {
  impl_->replica().presence().SetActivity(presence);
}
std::vector<Presence> Node::Activities() const { return impl_->replica().presence().All(); }
std::uint64_t Node::OnActivity(std::function<void()> listener) {
  return impl_->replica().presence().Listen(std::move(listener));
}
void Node::ForgetOnActivity(std::uint64_t id) { impl_->replica().presence().Forget(id); }

void Node::SendGossip(const std::string& bytes) { impl_->replica().SendGossip(bytes); }
void Node::OnGossip(GossipListener listener) { impl_->replica().OnGossip(std::move(listener)); }

std::uint32_t Node::founding() const { return impl_->founding(); }
Status Node::status() const { return impl_->replica().status(); }
const Counters& Node::counters() const { return impl_->replica().counters(); }
Journal& Node::journal() const { return impl_->replica().journal(); }
void Node::Reconfigure(const raft::MembershipChange& change, absl::Time deadline,
                       Done<Revision> done) {
  impl_->replica().Reconfigure(change, deadline - absl::Now(), std::move(done));
}
void Node::TransferLeadership(NodeId target, absl::Time deadline, Done<NodeId> done) {
  impl_->replica().TransferLeadership(target, deadline - absl::Now(), std::move(done));
}
void Node::TakeSnapshot(absl::Time deadline, Done<Revision> done) {
  impl_->replica().TakeSnapshot(deadline - absl::Now(), std::move(done));
}

void Node::TakeBackup(Done<StateBackup> done) { impl_->replica().TakeBackup(std::move(done)); }

void Node::Deliver(std::string_view frame) { impl_->replica().Deliver(frame); }
absl::StatusOr<Peers::SnapshotSlice> Node::ReadSnapshot(NodeId reader, Term term,
                                                        std::uint64_t transfer_id,
                                                        std::uint64_t offset, std::size_t size) {
  return impl_->replica().ReadSnapshot(reader, term, transfer_id, offset, size);
}

}  // namespace coterie::node
