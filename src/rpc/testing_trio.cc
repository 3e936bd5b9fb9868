#include "rpc/testing_trio.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr std::uint64_t kCluster = 7;
constexpr std::uint64_t kNodes = 3;
const NodeId kHome(1);
const NodeId kAway(kNodes);
constexpr absl::Duration kPatience = absl::Seconds(20);

std::string NameOf(NodeId id) { return absl::StrCat("node", id.value(), ":1"); }

std::vector<raft::Member> Founders() {
  std::vector<raft::Member> founders;
  for (std::uint64_t id = 1; id <= kNodes; ++id) {
    founders.push_back({.id = NodeId(id), .address = NameOf(NodeId(id)), .client_address = "x:2"});
  }
  return founders;
}

}  // namespace

bool Becomes(const std::function<bool()>& is_true) {
  const absl::Time end = absl::Now() + kPatience;
  absl::Notification never;
  while (!is_true()) {
    if (absl::Now() > end) return false;
    never.WaitForNotificationWithTimeout(absl::Milliseconds(5));
  }
  return true;
}

// What all links know: at which ports the nodes listen, once they do, and whether one is cut off.
class TestingTrio::Links {
 public:
  void Cut(bool is_cut) {
    absl::MutexLock lock(&mutex_);
    is_cut_ = is_cut;
  }
  bool IsCut(NodeId a, NodeId b) const {
    absl::MutexLock lock(&mutex_);
    return is_cut_ && (a == kAway || b == kAway);
  }
  void Listens(NodeId id, int port) {
    absl::MutexLock lock(&mutex_);
    addresses_[NameOf(id)] = absl::StrCat("127.0.0.1:", port);
  }
  // Empty as long as nobody listens there.
  std::string AddressOf(const std::string& name) const {
    absl::MutexLock lock(&mutex_);
    const auto found = addresses_.find(name);
    return found == addresses_.end() ? std::string() : found->second;
  }
  // Tells them of the ports.
  void ConnectAll();

  std::vector<Link*> all;

 private:
  mutable absl::Mutex mutex_;
  bool is_cut_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> addresses_ ABSL_GUARDED_BY(mutex_);
};

// One node's streams to the others.
class TestingTrio::Link final : public node::Peers {
 public:
  Link(Links& links, NodeId self)
      : links_(links), self_(self), streams_(kCluster, self, grpc::InsecureChannelCredentials()) {
    links_.all.push_back(this);
  }
  void Send(std::vector<node::Frame> frames) override {
    std::erase_if(frames,
                  [this](const node::Frame& frame) { return links_.IsCut(self_, frame.to); });
    streams_.Send(std::move(frames));
  }
  void SetFounding(std::uint32_t founding) override { streams_.SetFounding(founding); }
  void SetMembers(const std::vector<raft::Member>& members) override {
    absl::MutexLock lock(&mutex_);
    members_ = members;
    Connect();
  }
  absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term, std::uint64_t transfer_id,
                                              std::uint64_t offset) override {
    if (links_.IsCut(self_, leader)) return absl::UnavailableError("the link is cut");
    return streams_.FetchSnapshot(leader, term, transfer_id, offset);
  }
  void ConnectAgain() {
    absl::MutexLock lock(&mutex_);
    Connect();
  }

 private:
  void Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<raft::Member> members = members_;
    for (raft::Member& member : members) member.address = links_.AddressOf(member.address);
    streams_.SetMembers(members);
  }

  Links& links_;
  const NodeId self_;
  PeerStreams streams_;
  absl::Mutex mutex_;
  std::vector<raft::Member> members_ ABSL_GUARDED_BY(mutex_);
};

void TestingTrio::Links::ConnectAll() {
  for (Link* link : all) link->ConnectAgain();
}

TestingTrio::TestingTrio() : links_(std::make_unique<Links>()) {
  for (const raft::Member& self : Founders()) {
    TestingNode::Parts parts = TestingNode::Alone();
    parts.node.id = self.id;
    parts.node.cluster_id = kCluster;
    parts.node.founders = Founders();
    parts.node.peer_address = self.address;
    parts.node.client_address = self.client_address;
    // So that it is `home` who leads: if who is cut off were the leader, the others would have none
    // meanwhile.
    parts.node.election_timeout_ticks *= self.id == kHome ? 2 : 6;
    parts.node.log_entries_max = 8;
    parts.node.log_trailing_entries_max = 0;
    parts.peers = std::make_unique<Link>(*links_, self.id);
    nodes_.push_back(std::make_unique<TestingNode>(std::move(parts)));
    links_->Listens(self.id, nodes_.back()->server().peer_port());
  }
  links_->ConnectAll();
  AwaitHome();
  writer_ = std::make_unique<TestingClient>(home(), "writer");
  written_ = writer_->Create("filling");
  CHECK(writer_->status.ok());
}

TestingTrio::~TestingTrio() = default;

void TestingTrio::JumpOver(const std::function<void()>& meanwhile) {
  const runtime::Counter& installed = away().node().counters().snapshots_installed;
  const std::uint64_t before = installed.Get();
  AwaitHome();
  links_->Cut(true);
  meanwhile();
  // Behind all that may have been on its way when it was cut off.
  const Index last(writer_->Append(written_, "x"));
  CHECK(writer_->status.ok());
  ForgetThrough(last);
  const Index known = home().node().status().applied;
  links_->Cut(false);
  CHECK(
      Becomes([&] { return installed.Get() > before && away().node().status().applied >= known; }));
}

void TestingTrio::AwaitHome() {
  CHECK(Becomes([this] {
    const auto follows_home = [](const auto& node) {
      return node->node().status().leader == kHome;
    };
    if (std::ranges::all_of(nodes_, follows_home)) return true;
    for (const auto& node : nodes_) {  // A slow disk may have made another one the leader.
      if (node->node().status().role != raft::Role::kLeader || node == nodes_.front()) continue;
      node->node().TransferLeadership(kHome, absl::Now() + absl::Seconds(1),
                                      [](const absl::StatusOr<NodeId>&) {});
    }
    return false;
  }));
}

void TestingTrio::ForgetThrough(Index last) {
  CHECK(Becomes([&] {
    writer_->Append(written_, "x");
    CHECK(writer_->status.ok());
    return std::all_of(nodes_.begin(), nodes_.end() - 1, [last](const auto& node) {
      return node->node().status().first > last.Next();
    });
  }));
}

}  // namespace coterie::rpc
