#include "tests/story.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>

#include "tests/pacing.h"

namespace coterie::tests {
namespace {

constexpr std::size_t kSubscribers = 3;

std::vector<std::string> Serialized(const std::vector<v1::SubscribeResponse>& batches,
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

void ExpectInOrder(const std::vector<v1::SubscribeResponse>& batches,
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

}  // namespace

// Decides who is killed and frozen, and what the clients do; not how threads and disks interleave.
std::uint64_t Story::Seed() {
  const char* given = std::getenv("COTERIE_TEST_SEED");
  std::uint64_t seed = 1;
  return given != nullptr && absl::SimpleAtoi(given, &seed) ? seed : 1;
}

void Story::Begin(std::size_t nodes, ClusterProcess::Conditions conditions) {
  std::cout << "seed " << seed_ << " (COTERIE_TEST_SEED chooses another)\n";
  auto cluster = ClusterProcess::Start(nodes, conditions);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  cluster_ = *std::move(cluster);
  auto load = Workload::Prepare(
      {.addresses = cluster_->client_addresses(), .seed = seed_, .presence = Presence::kAttached});
  ASSERT_TRUE(load.ok()) << load.status() << cluster_->Obituaries();
  load_ = *std::move(load);
  for (std::size_t i = 0; i < kSubscribers; ++i) AddWatch(i);
}

// Each prefers another node.
void Story::AddWatch(std::size_t number) {
  std::vector<std::string> addresses = cluster_->client_addresses();
  std::rotate(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(number),
              addresses.end());
  auto watch =
      EventWatch::Open(addresses, "watch" + std::to_string(number), load_->begin_revision());
  ASSERT_TRUE(watch.ok()) << watch.status();
  watches_.push_back(*std::move(watch));
}

std::uint64_t Story::LeaderId() {
  const auto status = load_->client().Call(v1::GetStatusRequest{});
  return status.ok() ? status->leader_id() : 0;
}

// A minority of nodes, the leader first or not at all.
std::vector<std::uint64_t> Story::Victims() {
  const std::uint64_t leader = LeaderId();
  std::vector<std::uint64_t> others;
  for (const std::uint64_t id : cluster_->ids()) {
    if (id != leader) others.push_back(id);
  }
  std::vector<std::uint64_t> victims;
  if (leader != 0 && prng_.Chance(1, 2)) victims.push_back(leader);
  const std::size_t wanted = 1 + prng_.Below((cluster_->ids().size() - 1) / 2);
  while (victims.size() < wanted) {
    victims.push_back(others.back());
    others.pop_back();
  }
  return victims;
}

void Story::KillAndRestart(const std::vector<std::uint64_t>& victims, absl::Duration away) {
  for (const std::uint64_t id : victims) cluster_->Kill(id);
  Pass(away);
  for (const std::uint64_t id : victims) {
    const absl::Status restarted = cluster_->Restart(id);
    ASSERT_TRUE(restarted.ok()) << restarted;
  }
}

void Story::ExpectProgress(std::uint64_t changes) {
  const std::uint64_t before = load_->acknowledged();
  ASSERT_TRUE(WaitUntil([&] { return load_->acknowledged() >= before + changes; }, kSettled))
      << "nothing is acknowledged any more\n"
      << cluster_->Obituaries();
}

std::string Story::TextOf(std::uint64_t document) {
  v1::GetDocumentRequest request;
  request.mutable_document()->set_id(document);
  const auto response = load_->client().Call(request);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->text() : std::string();
}

// The load's changes are all before this one, whose event each subscriber must see, too.
std::uint64_t Story::AppendLastLine() {
  v1::AppendDocumentRequest request;
  request.mutable_document()->set_id(load_->journal());
  request.set_text("c1000:1\n");
  const auto response = load_->client().Call(request);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->revision() : ~0ULL;
}

// What the documents hold in the end becomes part of the history.
void Story::AddFinalReads(WorkloadRecord& record) {
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
void Story::ExpectJournalComplete(const WorkloadRecord& record) {
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

void Story::ExpectEventsAgree(const WorkloadRecord& record) {
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

std::vector<std::string> Story::LostLines(const WorkloadRecord& record) {
  v1::GetDocumentRequest request;
  request.mutable_document()->set_id(load_->journal());
  const auto response = load_->client().Call(request);
  const bool is_answered = response.ok() || absl::IsNotFound(response.status()) ||
                           absl::IsUnauthenticated(response.status());
  EXPECT_TRUE(is_answered) << response.status();
  const std::string text = "\n" + (response.ok() ? response->text() : std::string());
  std::vector<std::string> lost;
  for (const JournalLine& line : record.journal) {
    if (line.is_acknowledged && text.find("\n" + line.text) == std::string::npos) {
      lost.push_back(line.text);
    }
  }
  return lost;
}

void Story::Judge(WorkloadRecord record) {
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

}  // namespace coterie::tests
