// Three nodes with their real threads, disks and RocksDB in one process, under load from several
// threads. What it shows under ThreadSanitizer is that the threads share nothing but what they may.

#include "node/node.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backup/backup_file.h"
#include "base/check.h"
#include "store/store.h"

namespace coterie::node {
namespace {

// Who is there; frames go straight into the other's inbox.
class Switchboard {
 public:
  void Connect(NodeId id, Node* node) {
    absl::MutexLock lock(&mutex_);
    nodes_[id] = node;
  }
  void Deliver(const Frame& frame) {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = nodes_.find(frame.to);
    if (found != nodes_.end() && found->second != nullptr) found->second->Deliver(frame.bytes);
  }
  absl::StatusOr<Peers::SnapshotSlice> Read(NodeId from, NodeId reader, Term term,
                                            std::uint64_t transfer, std::uint64_t offset) {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = nodes_.find(from);
    if (found == nodes_.end() || found->second == nullptr) {
      return absl::UnavailableError("not there");
    }
    return found->second->ReadSnapshot(reader, term, transfer, offset, 64 << 10);
  }

 private:
  absl::Mutex mutex_;
  std::map<NodeId, Node*> nodes_ ABSL_GUARDED_BY(mutex_);
};

class DirectPeers final : public Peers {
 public:
  DirectPeers(Switchboard& switchboard, NodeId self) : switchboard_(switchboard), self_(self) {}
  void Send(std::vector<Frame> frames) override {
    for (const Frame& frame : frames) switchboard_.Deliver(frame);
  }
  void SetMembers(const std::vector<raft::Member>&) override {}
  absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term, std::uint64_t transfer_id,
                                              std::uint64_t offset) override {
    return switchboard_.Read(leader, self_, term, transfer_id, offset);
  }

 private:
  Switchboard& switchboard_;
  NodeId self_;
};

class Trio : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "coterie-node-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      founders_.push_back({.id = NodeId(id), .address = absl::StrCat("node", id)});
    }
    for (const raft::Member& member : founders_) Start(member.id);
  }
  void TearDown() override {
    while (!nodes_.empty()) Stop(nodes_.begin()->first);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Options OptionsOf(NodeId id) {
    Options options;
    options.data_path = (folder_ / absl::StrCat(id.value())).string();
    std::filesystem::create_directories(options.data_path);
    options.id = id;
    options.cluster_id = 5;
    options.founders = founders_;
    options.peer_address = absl::StrCat("node", id.value());
    return options;
  }
  void Start(NodeId id) {
    peers_[id] = std::make_unique<DirectPeers>(switchboard_, id);
    absl::StatusOr<std::unique_ptr<Node>> node = Node::Start(OptionsOf(id), *peers_[id]);
    ASSERT_TRUE(node.ok()) << node.status();
    nodes_[id] = *std::move(node);
    switchboard_.Connect(id, nodes_[id].get());
  }
  void Stop(NodeId id) {
    switchboard_.Connect(id, nullptr);
    nodes_.erase(id);
  }
  absl::StatusOr<state::Outcome> Propose(NodeId at, const state::Command& command) {
    std::latch answered(1);
    absl::StatusOr<state::Outcome> answer;
    nodes_.at(at)->Propose(command, absl::Now() + absl::Seconds(60),
                           [&](absl::StatusOr<state::Outcome> got) {
                             answer = std::move(got);
                             answered.count_down();
                           });
    answered.wait();
    return answer;
  }
  std::string TextOf(NodeId at, DocId doc) {
    std::string text;
    const absl::Status read = Repeat([&] {
      std::latch answered(1);
      absl::Status status;
      nodes_.at(at)->Read(
          Consistency::kLinearizable, absl::Now() + absl::Seconds(60),
          [&](const state::Machine& machine) {
            text = machine.TextAt(doc, Revision()).value_or("no such document");
          },
          [&](const absl::StatusOr<Revision>& got) {
            status = got.status();
            answered.count_down();
          });
      answered.wait();
      return status;
    });
    return read.ok() ? text : read.ToString();
  }
  state::Outcome Login() {
    absl::StatusOr<state::Outcome> login;
    const absl::Status done = Repeat([&] {
      login = Propose(NodeId(1), {.body = state::Login{.user = "ann",
                                                       .verified_hash = "hash",
                                                       .create_user = true,
                                                       .token_hash = std::string(32, 't'),
                                                       .lifetime_ms = 1'000'000'000}});
      return login.status();
    });
    EXPECT_TRUE(done.ok()) << done;
    return login.ok() ? *login : state::Outcome();
  }
  // A leader whose disk is slow for a moment gives up its office, and what has no number with it.
  static absl::Status Repeat(const std::function<absl::Status()>& attempt) {
    absl::Status status = attempt();
    for (int again = 0; absl::IsUnavailable(status) && again < 20; ++again) status = attempt();
    return status;
  }
  // Waits for one that `id` knows; none if there is none.
  NodeId LeaderOf(NodeId id) {
    const absl::Time end = absl::Now() + absl::Seconds(60);
    NodeId leader = nodes_.at(id)->status().leader;
    while (leader.IsNone() && absl::Now() < end) {
      std::this_thread::yield();
      leader = nodes_.at(id)->status().leader;
    }
    return leader;
  }

  std::filesystem::path folder_;
  std::vector<raft::Member> founders_;
  Switchboard switchboard_;
  std::map<NodeId, std::unique_ptr<DirectPeers>> peers_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
};

// As a folder of a build whose records were others: it is left alone, and the operator is told.
TEST_F(Trio, AStateOfAnotherVersionIsRefusedWithWhatToDo) {
  Stop(NodeId(3));
  const std::string path = (folder_ / "3").string();
  {
    absl::StatusOr<std::unique_ptr<store::Store>> store = store::Store::Open(path + "/state/store");
    ASSERT_TRUE(store.ok()) << store.status();
    (*store)->Put("u ann",
                  "\x01\x03"
                  "ann");  // Of a user it says no more than the name.
    (*store)->Commit();
    ASSERT_TRUE((*store)->Flush().ok());
  }
  for (int i = 0; i < 2; ++i) {
    DirectPeers peers(switchboard_, NodeId(3));
    const auto node = Node::Start(OptionsOf(NodeId(3)), peers);
    ASSERT_TRUE(absl::IsFailedPrecondition(node.status())) << node.status();
    EXPECT_NE(node.status().message().find("coterie export"), std::string::npos);
    EXPECT_EQ(node.status().message().find('\n'), std::string::npos);
  }
}

// What was wrong is mended by another number or file, in the same folder.
TEST_F(Trio, ABackupThatIsRefusedLeavesItsFolderNew) {
  Options options = OptionsOf(NodeId(4));
  options.founders = {{.id = NodeId(4), .address = "node4"}};
  options.restore_from = (folder_ / "backup").string();
  backup::Encoder encoder({.cluster_id = options.cluster_id, .revision = 1});
  std::string whole = encoder.Head();
  whole += encoder.Tail();
  DirectPeers peers(switchboard_, NodeId(4));
  std::ofstream(options.restore_from) << whole.substr(0, whole.size() - 2);
  EXPECT_TRUE(absl::IsDataLoss(Node::Start(options, peers).status()));
  std::ofstream(options.restore_from) << whole;
  const absl::Status own = Node::Start(options, peers).status();
  EXPECT_TRUE(absl::IsInvalidArgument(own)) << own;

  ++options.cluster_id;
  options.restore_from.clear();
  const auto node = Node::Start(options, peers);
  EXPECT_TRUE(node.ok()) << node.status();
}

// It would have forgotten whom it voted for.
TEST_F(Trio, ANodeWhoseLogIsGoneDoesNotStart) {
  const NodeId id(2);
  Login();
  TextOf(id, DocId(1));  // So that it has applied that,
  std::latch stored(1);  // and has it on the disk.
  nodes_.at(id)->TakeSnapshot(absl::Now() + absl::Seconds(60),
                              [&stored](const absl::StatusOr<Revision>& taken) {
                                EXPECT_TRUE(taken.ok()) << taken.status();
                                stored.count_down();
                              });
  stored.wait();
  while (!nodes_.empty()) Stop(nodes_.begin()->first);
  const std::filesystem::path data = OptionsOf(id).data_path;
  const std::filesystem::path aside = folder_ / "aside";
  std::filesystem::rename(data / "log", aside);
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<std::unique_ptr<Node>> node = Node::Start(OptionsOf(id), *peers_[id]);
    EXPECT_TRUE(absl::IsFailedPrecondition(node.status())) << node.status();
    EXPECT_NE(node.status().message().find("Put the log back"), std::string::npos);
  }
  EXPECT_TRUE(std::filesystem::is_empty(data / "log"));
  // All but the name of its owner.
  std::filesystem::copy(aside / "identity", data / "log" / "identity");
  EXPECT_TRUE(absl::IsFailedPrecondition(Node::Start(OptionsOf(id), *peers_[id]).status()));
  std::filesystem::remove_all(data / "log");
  std::filesystem::rename(aside, data / "log");
  Start(id);
}

TEST_F(Trio, ServesManyThreads) {
  const SessionId session = Login().session;
  const absl::StatusOr<state::Outcome> created =
      Propose(NodeId(2), {.session = session,
                          .request = {.client = ClientId(9), .sequence = 1, .acked_below = 1},
                          .body = state::CreateDocument{.name = "notes"}});
  ASSERT_TRUE(created.ok() && created->ok());
  std::atomic<int> events{0};
  const std::uint64_t listener =
      nodes_.at(NodeId(3))->Subscribe([&](const state::EventBatch& batch, const state::Machine&) {
        if (batch.revision > created->revision && !batch.events.empty()) ++events;
      });
  std::vector<std::thread> writers;
  for (std::uint64_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (std::uint64_t i = 1; i <= 50; ++i) {
        const absl::StatusOr<state::Outcome> outcome =
            Propose(NodeId(writer % 3 + 1),
                    {.session = session,
                     .request = {.client = ClientId(writer + 1), .sequence = i, .acked_below = i},
                     .body = state::Append{.doc = created->doc, .text = "x"}});
        EXPECT_TRUE(outcome.ok() && outcome->ok()) << outcome.status();
        static_cast<void>(nodes_.at(NodeId(writer % 3 + 1))->status());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(TextOf(NodeId(id), created->doc), std::string(200, 'x'));
  }
  EXPECT_EQ(events.load(), 200);
  nodes_.at(NodeId(3))->Unsubscribe(listener);
}

TEST_F(Trio, GoesOnWhenItsLeaderStops) {
  const SessionId session = Login().session;
  const absl::StatusOr<state::Outcome> created =
      Propose(NodeId(1), {.session = session,
                          .request = {.client = ClientId(9), .sequence = 1, .acked_below = 1},
                          .body = state::CreateDocument{.name = "notes"}});
  ASSERT_TRUE(created.ok() && created->ok());
  std::string expected;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    const NodeId leader = LeaderOf(nodes_.begin()->first);
    ASSERT_FALSE(leader.IsNone());
    Stop(leader);
    const NodeId at = nodes_.begin()->first;
    const absl::StatusOr<state::Outcome> outcome =
        Propose(at, {.session = session,
                     .request = {.client = ClientId(7), .sequence = round, .acked_below = round},
                     .body = state::Append{.doc = created->doc, .text = "y"}});
    ASSERT_TRUE(outcome.ok() && outcome->ok()) << outcome.status();
    expected += "y";
    EXPECT_EQ(TextOf(at, created->doc), expected);
    Start(leader);
    EXPECT_EQ(TextOf(leader, created->doc), expected);
  }
}

}  // namespace
}  // namespace coterie::node
