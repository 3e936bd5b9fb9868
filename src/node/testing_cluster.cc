#include "node/testing_cluster.h"

#include <absl/strings/str_cat.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "base/check.h"
#include "io/posix_file.h"

namespace coterie::node {

class TestingCluster::Network final : public Peers {
 public:
  Network(TestingCluster& cluster, NodeId self) : cluster_(cluster), self_(self) {}
  void Send(std::vector<Frame> frames) override {
    for (Frame& frame : frames) {
      if (!known_.contains(frame.to)) continue;
      ++cluster_.frames_of_version[static_cast<std::uint8_t>(frame.bytes.front())];
      cluster_.frames_.push_back({.from = self_, .frame = std::move(frame)});
    }
  }
  void SetMembers(const std::vector<raft::Member>& members) override {
    known_.clear();
    for (const raft::Member& member : members) known_.insert(member.id);
  }
  absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term, std::uint64_t transfer_id,
                                              std::uint64_t offset) override {
    if (!cluster_.IsUp(leader) || cluster_.cuts.contains({leader, self_})) {
      return absl::UnavailableError("the leader cannot be reached");
    }
    return cluster_.replica(leader).ReadSnapshot(self_, term, transfer_id, offset, 100);
  }

 private:
  TestingCluster& cluster_;
  NodeId self_;
  std::set<NodeId> known_;
};

// A real one in which, on demand, no write finds room.
class TestingCluster::FillingDirectory final : public io::Directory {
 public:
  FillingDirectory(const TestingCluster& cluster, NodeId self, std::unique_ptr<Directory> inner)
      : cluster_(cluster), self_(self), inner_(std::move(inner)) {}

  absl::StatusOr<std::unique_ptr<io::File>> Open(std::string_view name,
                                                 io::OpenMode mode) override {
    absl::StatusOr<std::unique_ptr<io::File>> file = inner_->Open(name, mode);
    if (!file.ok()) return file;
    return std::make_unique<FillingFile>(*this, *std::move(file));
  }
  absl::StatusOr<std::vector<std::string>> List() override { return inner_->List(); }
  absl::Status Rename(std::string_view source, std::string_view target) override {
    return inner_->Rename(source, target);
  }
  absl::Status Remove(std::string_view name) override { return inner_->Remove(name); }
  absl::Status Sync() override { return inner_->Sync(); }
  absl::StatusOr<std::uint64_t> FreeBytes() override {
    return IsFull() || cluster_.low.contains(self_) ? std::uint64_t{0} : std::uint64_t{1} << 40;
  }
  bool IsFull() const { return cluster_.full.contains(self_); }

 private:
  class FillingFile final : public io::File {
   public:
    FillingFile(const FillingDirectory& directory, std::unique_ptr<io::File> inner)
        : directory_(directory), inner_(std::move(inner)) {}
    absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) override {
      return inner_->Read(offset, size);
    }
    absl::Status Write(std::uint64_t offset, std::string_view bytes) override {
      if (directory_.IsFull()) return absl::ResourceExhaustedError("no space left");
      return inner_->Write(offset, bytes);
    }
    absl::Status Sync() override { return inner_->Sync(); }
    absl::StatusOr<std::uint64_t> Size() override { return inner_->Size(); }
    absl::Status Truncate(std::uint64_t size) override { return inner_->Truncate(size); }

   private:
    const FillingDirectory& directory_;
    std::unique_ptr<io::File> inner_;
  };

  const TestingCluster& cluster_;
  const NodeId self_;
  std::unique_ptr<Directory> inner_;
};

TestingCluster::TestingCluster(std::size_t founders) {
  std::string name = (std::filesystem::temp_directory_path() / "coterie-replica-XXXXXX").string();
  CHECK(mkdtemp(name.data()) != nullptr);
  folder_ = name;
  options.cluster_id = 77;
  Found(founders);
}

void TestingCluster::Found(std::size_t founders) {
  std::vector<raft::Member> members;
  for (std::uint64_t id = 1; id <= founders; ++id) {
    members.push_back({.id = NodeId(id), .address = absl::StrCat("node", id)});
  }
  for (const raft::Member& member : members) {
    AddServer(member.id);
    members_.at(member.id).founders = members;
    Start(member.id);
  }
}

TestingCluster::~TestingCluster() {
  for (auto& [id, member] : members_) Kill(id);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TestingCluster::AddServer(NodeId id) {
  Member& member = members_[id];
  member.folder = folder_ / absl::StrCat(id.value());
  std::filesystem::create_directory(member.folder);
  member.log_directory = std::make_unique<FillingDirectory>(
      *this, id, *io::OpenPosixDirectory(member.folder.string()));
  member.storage = std::make_unique<MemoryStorage>();
  member.network = std::make_unique<Network>(*this, id);
  member.incarnation = Incarnation(1000 + id.value());
}

void TestingCluster::LoseDisk(NodeId id) {
  Member& member = members_.at(id);
  CHECK(!member.replica);
  std::filesystem::remove_all(member.folder);
  const std::vector<raft::Member> founders = std::exchange(member.founders, {});
  const Incarnation incarnation(member.incarnation.value() + 500);
  AddServer(id);
  member.founders = founders;
  member.incarnation = incarnation;
}

void TestingCluster::Start(NodeId id) {
  Member& member = members_.at(id);
  if (member.replica) return;
  Options own = options;
  own.id = id;
  own.founders = member.founders;
  own.peer_address = absl::StrCat("node", id.value());
  absl::StatusOr<std::unique_ptr<Replica>> replica =
      Replica::Open(own, World{.peers = *member.network,
                               .clock = clock_,
                               .log_directory = *member.log_directory,
                               .storage = *member.storage,
                               .seed = 100 * id.value() + ++member.starts,
                               .incarnation = member.incarnation,
                               .on_fatal = [](const absl::Status&) { CHECK(false); }});
  CHECK(replica.ok());
  member.replica = *std::move(replica);
}

void TestingCluster::Kill(NodeId id) {
  Member& member = members_.at(id);
  if (!member.replica) return;
  member.pumps_left.reset();
  member.replica->Close();
  member.replica->Finish();
  member.replica.reset();
  member.storage->Crash();
}

void TestingCluster::KillAfter(NodeId id, std::uint64_t pumps) {
  members_.at(id).pumps_left = pumps;
}

bool TestingCluster::Pump(NodeId id, bool (Replica::*pump)(absl::Duration)) {
  Member& member = members_.at(id);
  if (!member.replica) return false;
  if (pump == &Replica::PumpApply && stalled.contains(id)) return false;
  if (member.pumps_left && (*member.pumps_left)-- == 0) {
    Kill(id);
    return false;
  }
  return (*member.replica.*pump)(absl::ZeroDuration());
}

void TestingCluster::Work() {
  for (bool is_busy = true; is_busy;) {
    is_busy = false;
    for (auto& [id, member] : members_) {
      for (const auto pump :
           {&Replica::PumpCore, &Replica::PumpLog, &Replica::PumpApply, &Replica::PumpSnapshots}) {
        is_busy = Pump(id, pump) || is_busy;
      }
    }
    std::deque<OnItsWay> frames;
    frames.swap(frames_);
    for (const OnItsWay& sent : frames) {
      const auto to = members_.find(sent.frame.to);
      if (to == members_.end() || !to->second.replica) continue;
      if (cuts.contains({sent.from, sent.frame.to})) continue;
      to->second.replica->Deliver(sent.frame.bytes);
      is_busy = true;
    }
  }
}

void TestingCluster::Run(std::uint64_t milliseconds) {
  for (std::uint64_t passed = 0; passed < milliseconds; passed += 10) {
    clock_.now_us += 10'000;
    Work();
  }
}

NodeId TestingCluster::AwaitLeader() {
  for (int i = 0; i < 500; ++i) {
    Run(10);
    std::map<NodeId, std::size_t> followers;
    for (auto& [id, member] : members_) {
      if (member.replica) ++followers[member.replica->status().leader];
    }
    for (const auto& [leader, count] : followers) {
      if (!leader.IsNone() && IsUp(leader) && count > members_.size() / 2 &&
          replica(leader).status().role == raft::Role::kLeader) {
        return leader;
      }
    }
  }
  return {};
}

absl::StatusOr<state::Outcome> TestingCluster::Propose(NodeId at, const state::Command& command) {
  std::optional<absl::StatusOr<state::Outcome>> answer;
  replica(at).Propose(command, kTimeout,
                      [&answer](absl::StatusOr<state::Outcome> got) { answer = std::move(got); });
  for (int i = 0; i < 500 && !answer; ++i) {
    Work();
    if (!answer) Run(10);
  }
  CHECK(answer.has_value());
  return *std::move(answer);
}

absl::Status TestingCluster::Read(NodeId at, Consistency consistency, const Node::Query& query) {
  std::optional<absl::Status> answer;
  replica(at).Read(consistency, kTimeout, query,
                   [&answer](absl::StatusOr<Revision> got) { answer = got.status(); });
  for (int i = 0; i < 500 && !answer; ++i) {
    Work();
    if (!answer) Run(10);
  }
  CHECK(answer.has_value());
  return *std::move(answer);
}

}  // namespace coterie::node
