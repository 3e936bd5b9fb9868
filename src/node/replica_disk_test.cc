// What a replica does with its disk: a state that differs from the others' fences it, and a log
// that grows long is cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/replica.h"
#include "node/testing_cluster.h"

namespace coterie::node {
namespace {

const NodeId kOne(1);
const NodeId kTwo(2);
const NodeId kThree(3);

// An administrator without request ids, who does one thing after the other.
class Writer {
 public:
  Writer(TestingCluster& cluster, NodeId at) : cluster_(cluster), at_(at) {
    session_ = Do(state::Login{.user = "ann",
                               .verified_hash = "hash",
                               .create_user = true,
                               .create_as_admin = true,
                               .token_hash = std::string(32, 't'),
                               .lifetime_ms = 1'000'000'000})
                   .session;
    doc_ = Do(state::CreateDocument{.name = "notes"}).doc;
  }
  state::Command Make(state::CommandBody body) const {
    return {.session = session_, .body = std::move(body)};
  }
  state::Outcome Do(state::CommandBody body) {
    const absl::StatusOr<state::Outcome> outcome = cluster_.Propose(at_, Make(std::move(body)));
    EXPECT_TRUE(outcome.ok() && outcome->ok()) << outcome.status();
    return outcome.value_or(state::Outcome());
  }
  state::CommandBody Addition(const std::string& text) const {
    return state::Append{.doc = doc_, .text = text};
  }
  DocId doc() const { return doc_; }

 private:
  TestingCluster& cluster_;
  const NodeId at_;
  SessionId session_;
  DocId doc_;
};

bool IsFenced(TestingCluster& cluster, NodeId at) {
  const std::vector<std::string> alarms = cluster.replica(at).status().alarms;
  return std::ranges::count(alarms, "DIVERGED") > 0;
}

// A letter of the document's name, where it is stored: it still decodes, and no checksum tells.
void ChangeSomething(MemoryStorage& storage) {
  std::string key;
  std::string value;
  storage.kv().Scan("d", "e", [&](std::string_view at, std::string_view found) {
    key = at;
    value = found;
    return false;
  });
  const std::size_t name = value.find("notes");
  ASSERT_NE(name, std::string::npos);
  value[name] = 'N';
  storage.kv().Put(key, value);
  storage.kv().Commit();
  ASSERT_TRUE(storage.Flush().ok());
}

void ExpectRefusedAtOnce(TestingCluster& cluster, NodeId at, const Writer& ann) {
  // Shared: should it fail, an answer may come when nobody waits any more.
  const auto answers = std::make_shared<std::vector<absl::Status>>();
  cluster.replica(at).Propose(
      ann.Make(ann.Addition("x")), TestingCluster::kTimeout,
      [answers](const auto& outcome) { answers->push_back(outcome.status()); });
  cluster.replica(at).Read(
      Consistency::kStale, TestingCluster::kTimeout, [](const state::Machine&) {},
      [answers](const auto& revision) { answers->push_back(revision.status()); });
  ASSERT_EQ(answers->size(), 2u);
  for (const absl::Status& answer : *answers) {
    EXPECT_TRUE(absl::IsFailedPrecondition(answer)) << answer;
  }
}

TEST(Divergence, FencesTheNodeForGoodAndNobodyElse) {
  TestingCluster cluster(0);
  cluster.options.digest_interval_entries = 8;
  cluster.Found(3);
  const NodeId leader = cluster.AwaitLeader();
  ASSERT_FALSE(leader.IsNone());
  Writer ann(cluster, leader);
  for (int i = 0; i < 20; ++i) ann.Do(ann.Addition("x"));
  cluster.Run(1'000);
  for (const NodeId id : {kOne, kTwo, kThree}) ASSERT_FALSE(IsFenced(cluster, id));

  const NodeId other = leader == kOne ? kTwo : kOne;
  ASSERT_TRUE(cluster.storage(other).Flush().ok());
  cluster.Kill(other);
  ASSERT_NO_FATAL_FAILURE(ChangeSomething(cluster.storage(other)));
  cluster.Start(other);
  cluster.Run(500);
  // Its record of the document is written anew, and the difference goes on.
  ann.Do(state::ShareDocument{.doc = ann.doc(), .role = state::DocumentRole::kViewer});
  for (int i = 0; i < 20; ++i) ann.Do(ann.Addition("x"));
  cluster.Run(1'000);

  for (const NodeId id : {kOne, kTwo, kThree}) EXPECT_EQ(IsFenced(cluster, id), id == other);
  ExpectRefusedAtOnce(cluster, other, ann);
  ann.Do(ann.Addition("x"));

  // It remembers, from the first moment on, and takes no part in anything.
  cluster.Kill(other);
  cluster.Start(other);
  EXPECT_TRUE(IsFenced(cluster, other));
  ExpectRefusedAtOnce(cluster, other, ann);
  cluster.Kill(leader);
  EXPECT_TRUE(cluster.AwaitLeader().IsNone());
}

TEST(Log, IsCutWhenItHasManyBytesThoughFewEntries) {
  TestingCluster cluster(0);
  cluster.options.log_bytes_max = 64 << 10;
  cluster.options.log_trailing_entries_max = 0;
  cluster.options.log.segment_bytes = 16 << 10;
  cluster.Found(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Writer ann(cluster, kOne);
  cluster.Run(1'000);
  const Index first = cluster.replica(kOne).status().first;
  for (int i = 0; i < 20; ++i) ann.Do(ann.Addition(std::string(8'000, 'x')));
  cluster.Run(1'000);
  EXPECT_GT(cluster.replica(kOne).status().first, first);
  EXPECT_LT(cluster.replica(kOne).status().log_bytes, 128u << 10);
}

}  // namespace
}  // namespace coterie::node
