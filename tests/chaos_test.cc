// The story of a cluster under failures: real processes, killed and frozen under a steady load, and
// then the record is judged: linearizable, nothing acknowledged lost or done twice, every event
// seen once and in order by every subscriber.

#include <absl/strings/numbers.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/cluster_process.h"
#include "tests/event_watch.h"
#include "tests/linearizability.h"
#include "tests/pacing.h"
#include "tests/workload.h"

namespace coterie::tests {
namespace {

constexpr std::size_t kSubscribers = 3;
constexpr absl::Duration kSettled = absl::Seconds(20);  // Generous: for everything to calm down.

// Decides who is killed and frozen, and what the clients do; not how threads and disks interleave.
std::uint64_t Seed() {
  const char* given = std::getenv("COTERIE_TEST_SEED");
  std::uint64_t seed = 1;
  return given != nullptr && absl::SimpleAtoi(given, &seed) ? seed : 1;
}

class Chaos : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    std::cout << "seed " << seed_ << " (COTERIE_TEST_SEED chooses another)\n";
    auto cluster = ClusterProcess::Start(GetParam());
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    auto load = Workload::Prepare({.addresses = cluster_->client_addresses(),
                                   .seed = seed_,
                                   .presence = Presence::kAttached});
    ASSERT_TRUE(load.ok()) << load.status() << cluster_->Obituaries();
    load_ = *std::move(load);
    for (std::size_t i = 0; i < kSubscribers; ++i) AddWatch(i);
  }

  // Each prefers another node.
  void AddWatch(std::size_t number) {
    std::vector<std::string> addresses = cluster_->client_addresses();
    std::rotate(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(number),
                addresses.end());
    auto watch =
        EventWatch::Open(addresses, "watch" + std::to_string(number), load_->begin_revision());
    ASSERT_TRUE(watch.ok()) << watch.status();
    watches_.push_back(*std::move(watch));
  }

  std::uint64_t LeaderId() {
    const auto status = load_->client().Call(v1::GetStatusRequest{});
    return status.ok() ? status->leader_id() : 0;
  }

  // A minority of nodes, the leader first or not at all.
  std::vector<std::uint64_t> Victims() {
    const std::uint64_t leader = LeaderId();
    std::vector<std::uint64_t> others;
    for (const std::uint64_t id : cluster_->ids()) {
      if (id != leader) others.push_back(id);
    }
    std::vector<std::uint64_t> victims;
    if (leader != 0 && prng_.Chance(1, 2)) victims.push_back(leader);
    const std::size_t wanted = 1 + prng_.Below((GetParam() - 1) / 2);
    while (victims.size() < wanted) {
      victims.push_back(others.back());
      others.pop_back();
    }
    return victims;
  }

  void KillAndRestart(const std::vector<std::uint64_t>& victims, absl::Duration away) {
    for (const std::uint64_t id : victims) cluster_->Kill(id);
    Pass(away);
    for (const std::uint64_t id : victims) {
      const absl::Status restarted = cluster_->Restart(id);
      ASSERT_TRUE(restarted.ok()) << restarted;
    }
  }

  void Freeze(const std::vector<std::uint64_t>& victims, absl::Duration away) {
    for (const std::uint64_t id : victims) cluster_->Stop(id);
    Pass(away);
    for (const std::uint64_t id : victims) cluster_->Continue(id);
  }

  void BreakThings(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const std::vector<std::uint64_t> victims = Victims();
      const absl::Duration away = absl::Milliseconds(prng_.Between(200, 1200));
      if (prng_.Chance(2, 3)) {
        ASSERT_NO_FATAL_FAILURE(KillAndRestart(victims, away));
      } else {
        Freeze(victims, away);
      }
      const std::uint64_t before = load_->acknowledged();
      ASSERT_TRUE(WaitUntil([&] { return load_->acknowledged() >= before + 50; }, kSettled))
          << "no progress after round " << round << "\n"
          << cluster_->Obituaries();
    }
  }

  std::string TextOf(std::uint64_t document) {
    v1::GetDocumentRequest request;
    request.mutable_document()->set_id(document);
    const auto response = load_->client().Call(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->text() : std::string();
  }

  // The load's changes are all before this one, whose event each subscriber must see, too.
  std::uint64_t AppendLastLine() {
    v1::AppendDocumentRequest request;
    request.mutable_document()->set_id(load_->journal());
    request.set_text("c1000:1\n");
    const auto response = load_->client().Call(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->revision() : ~0ULL;
  }

  // What the documents hold in the end becomes part of the history.
  void AddFinalReads(WorkloadRecord& record) {
    for (const std::uint64_t document : load_->documents()) {
      Operation op{.client = 1000, .key = std::to_string(document), .called_at = NowNanos()};
      const auto value = RegisterValue(TextOf(document));
      ASSERT_TRUE(value.ok()) << value.status();
      op.value = *value;
      op.returned_at = NowNanos();
      record.history.push_back(op);
    }
  }

  // Every acknowledged line once, no line twice, each client's in its order.
  void ExpectJournalComplete(const WorkloadRecord& record) {
    std::map<std::string, int> counts;
    std::map<std::string, int> last_of_client;
    std::set<std::string> unknown;  // These may have come late.
    for (const JournalLine& line : record.journal) {
      if (!line.is_acknowledged) unknown.insert(line.text.substr(0, line.text.size() - 1));
    }
    std::string text = TextOf(load_->journal());
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      ASSERT_NE(end, std::string::npos) << "the journal ends within a line";
      const std::string line = text.substr(begin, end - begin);
      begin = end + 1;
      EXPECT_EQ(++counts[line], 1) << line << " was appended twice";
      if (unknown.contains(line)) continue;
      const std::size_t colon = line.find(':');
      const int number = std::stoi(line.substr(colon + 1));
      int& last = last_of_client[line.substr(0, colon)];
      EXPECT_GT(number, last) << line << " is out of order";
      last = number;
    }
    for (const JournalLine& line : record.journal) {
      const std::string bare = line.text.substr(0, line.text.size() - 1);
      if (line.is_acknowledged) {
        EXPECT_TRUE(counts.contains(bare)) << bare << " was acknowledged and lost";
      }
    }
  }

  void ExpectEventsAgree(const WorkloadRecord& record) {
    const std::uint64_t revision = AppendLastLine();
    const std::string journal = TextOf(load_->journal());
    std::vector<std::string> first;
    for (const auto& watch : watches_) {
      ASSERT_TRUE(watch->WaitForRevision(revision, kSettled))
          << "a subscriber waits for revision " << revision << " and is " << watch->Describe();
      const auto batches = watch->Finish();
      ASSERT_TRUE(batches.ok()) << batches.status();
      std::cout << "a subscriber saw " << batches->size() << " batches and moved "
                << watch->resumptions() << " times\n";
      ExpectInOrder(*batches, record);
      const auto replayed = Replay("", load_->journal(), *batches);
      ASSERT_TRUE(replayed.ok()) << replayed.status();
      EXPECT_EQ(*replayed, journal);
      std::vector<std::string> seen = Serialized(*batches, revision);
      if (first.empty()) first = seen;
      EXPECT_TRUE(first == seen) << "two subscribers saw different events";
    }
  }

  static std::vector<std::string> Serialized(const std::vector<v1::SubscribeResponse>& batches,
                                             std::uint64_t up_to) {
    std::vector<std::string> seen;
    for (const v1::SubscribeResponse& batch : batches) {
      if (batch.revision() > up_to) break;
      v1::SubscribeResponse plain = batch;
      plain.clear_time_ms();
      seen.push_back(plain.SerializeAsString());
    }
    return seen;
  }

  static void ExpectInOrder(const std::vector<v1::SubscribeResponse>& batches,
                            const WorkloadRecord& record) {
    std::set<std::uint64_t> seen;
    std::uint64_t last = 0;
    for (const v1::SubscribeResponse& batch : batches) {
      EXPECT_GT(batch.revision(), last) << "events went back";
      last = batch.revision();
      seen.insert(last);
      for (const v1::Event& event : batch.events()) {
        EXPECT_FALSE(event.has_left()) << event.user() << " was said to have left";
      }
    }
    for (const std::uint64_t revision : record.revisions) {
      EXPECT_TRUE(seen.contains(revision)) << "no event of the change of revision " << revision;
    }
  }

  std::unique_ptr<ClusterProcess> cluster_;
  std::unique_ptr<Workload> load_;
  std::vector<std::unique_ptr<EventWatch>> watches_;
  const std::uint64_t seed_ = Seed();
  Prng prng_{seed_};
};

TEST_P(Chaos, NothingAcknowledgedIsLostUnderKillsAndPauses) {
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(BreakThings(8));
  WorkloadRecord record = load_->Stop();
  std::cout << record.history.size() << " calls on registers, " << record.journal.size()
            << " lines, " << record.acknowledged_at.size() << " acknowledged changes\n";

  EXPECT_EQ(record.unexpected, std::vector<std::string>());
  EXPECT_EQ(cluster_->Obituaries(), "");
  ASSERT_NO_FATAL_FAILURE(AddFinalReads(record));
  const Judgement judgement = CheckLinearizable(record.history);
  EXPECT_EQ(judgement.verdict, Verdict::kLinearizable) << "document " << judgement.key << "\n"
                                                       << judgement.explanation;
  ExpectJournalComplete(record);
  ExpectEventsAgree(record);
}

TEST_P(Chaos, EverythingSurvivesTheDeathOfAllNodes) {
  load_->Start();
  ASSERT_TRUE(WaitUntil([&] { return load_->acknowledged() >= 300; }, kSettled));

  KillAndRestart(cluster_->ids(), absl::Milliseconds(100));
  const std::uint64_t before = load_->acknowledged();
  ASSERT_TRUE(WaitUntil([&] { return load_->acknowledged() >= before + 50; }, kSettled));
  WorkloadRecord record = load_->Stop();

  EXPECT_EQ(record.unexpected, std::vector<std::string>());
  ASSERT_NO_FATAL_FAILURE(AddFinalReads(record));
  const Judgement judgement = CheckLinearizable(record.history);
  EXPECT_EQ(judgement.verdict, Verdict::kLinearizable) << judgement.explanation;
  ExpectJournalComplete(record);
  ExpectEventsAgree(record);
}

INSTANTIATE_TEST_SUITE_P(Nodes, Chaos, testing::Values(3, 5), testing::PrintToStringParamName());

}  // namespace
}  // namespace coterie::tests
