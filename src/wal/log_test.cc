// The log on a directory that fails in every way that a disk may: nothing acknowledged is ever lost
// in silence, nothing comes up that was never written.

#include "wal/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "io/faulty_file.h"
#include "wal/segment.h"

namespace coterie::wal {
namespace {

constexpr Identity kIdentity{.cluster_id = 5, .node = NodeId(2), .incarnation = Incarnation(77)};
constexpr Options kSmall{.segment_bytes = 4096, .fill_ahead_bytes = 512};

raft::Configuration Founders() {
  return {.voters = {NodeId(1), NodeId(2)},
          .members = {{.id = NodeId(1)}, {.id = NodeId(2), .address = "host:1"}}};
}

// What a log should hold.
struct Model {
  raft::HardState hard_state;
  SnapshotMark mark;
  std::vector<raft::EntryRef> entries;

  Index last() const { return mark.last.index + entries.size(); }
  void Apply(const raft::AppendJob& job) {
    if (!job.truncate_from.IsNone()) {
      entries.resize(job.truncate_from - mark.last.index.Next());
    }
    entries.insert(entries.end(), job.entries.begin(), job.entries.end());
    if (job.hard_state) hard_state = *job.hard_state;
  }
  void Apply(const SnapshotMark& to, Log::Keep keep) {
    if (keep == Log::Keep::kNothing) {
      entries.clear();
    } else {
      entries.erase(entries.begin(),
                    entries.begin() + static_cast<std::ptrdiff_t>(to.last.index - mark.last.index));
    }
    mark = to;
    // A snapshot proves its term.
    if (hard_state.term < to.last.term) {
      hard_state = {.term = to.last.term, .commit = hard_state.commit};
    }
  }
  bool Fits(const Recovered& recovered) const {
    return recovered.hard_state == hard_state && recovered.snapshot.last == mark.last &&
           recovered.snapshot.configuration == mark.configuration && recovered.entries == entries;
  }
};

// A made-up history of a log, and what it may hold after each step.
class Workload {
 public:
  explicit Workload(std::uint64_t seed) : prng_(seed) {}

  // One call of the log. States that a crash in the middle of it may leave are in may_be(); the
  // last of them is in force once the call has returned OK.
  absl::Status Step(Log& log) {
    may_be_ = {model_};
    const std::uint64_t dice = prng_.Below(10);
    if (dice == 0 && model_.last() > model_.mark.last.index) return Compact(log);
    if (dice == 1 && is_founded_) return Install(log);
    if (!is_founded_) {
      is_founded_ = true;
      return Compact(log, {.configuration = Founders()}, Log::Keep::kSuffix);
    }
    std::vector<raft::AppendJob> jobs;
    for (std::uint64_t count = prng_.Between(1, 3); count > 0; --count) {
      jobs.push_back(Job());
      model_.Apply(jobs.back());
      may_be_.push_back(model_);
    }
    return Call([&] { return log.Append(jobs); });
  }
  // Of a call that finds no room it waits until there is some.
  void MakePatient() { is_patient_ = true; }
  std::uint64_t repeated() const { return repeated_; }
  const std::vector<Model>& may_be() const { return may_be_; }
  const Model& model() const { return model_; }
  void GoOnFrom(const Model& model) {
    model_ = model;
    term_ = std::max(term_, model.hard_state.term);
  }

 private:
  raft::AppendJob Job() {
    raft::AppendJob job{.sequence = ++sequence_, .epoch = epoch_};
    if (prng_.Chance(1, 4)) ++term_;
    job.hard_state = {
        .term = term_, .vote = NodeId(term_.value() % 3), .commit = model_.mark.last.index};
    Index next = model_.last().Next();
    if (prng_.Chance(1, 5) && !model_.entries.empty()) {
      ++epoch_;
      job.epoch = epoch_;
      job.truncate_from = next = model_.mark.last.index + prng_.Between(1, model_.entries.size());
    }
    for (std::uint64_t count = prng_.Below(4); count > 0; --count) {
      const std::size_t size = prng_.Chance(1, 20) ? 6000 : prng_.Below(200);
      job.entries.push_back(
          {.term = term_,
           .index = next,
           .type = raft::EntryType::kCommand,
           .payload = Blob(std::string(size, static_cast<char>('a' + size % 26)))});
      next = next.Next();
    }
    return job;
  }
  absl::Status Compact(Log& log) {
    const std::uint64_t at = prng_.Below(model_.entries.size());
    return Compact(log, {.last = model_.entries[at].position(), .configuration = Founders()},
                   Log::Keep::kSuffix);
  }
  absl::Status Install(Log& log) {
    return Compact(log,
                   {.last = {.term = term_, .index = model_.last() + prng_.Between(1, 9)},
                    .configuration = Founders()},
                   Log::Keep::kNothing);
  }
  absl::Status Compact(Log& log, const SnapshotMark& mark, Log::Keep keep) {
    model_.Apply(mark, keep);
    may_be_.push_back(model_);
    return Call([&] { return log.Compact(mark, keep); });
  }
  template <class Verb>
  absl::Status Call(const Verb& verb) {
    absl::Status status = verb();
    constexpr int kRepeatsMax = 3;
    for (int i = 0; is_patient_ && absl::IsResourceExhausted(status) && i < kRepeatsMax; ++i) {
      ++repeated_;
      status = verb();
    }
    return status;
  }

  Prng prng_;
  bool is_patient_ = false;
  std::uint64_t repeated_ = 0;
  Model model_;
  std::vector<Model> may_be_;
  bool is_founded_ = false;
  std::uint64_t sequence_ = 0;
  Epoch epoch_;
  Term term_{1};
};

const Model* FindFit(const std::vector<Model>& candidates, const Recovered& recovered) {
  for (const Model& model : candidates) {
    if (model.Fits(recovered)) return &model;
  }
  return nullptr;
}

TEST(Log, HoldsWhatWasAppended) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    io::FaultyDirectory directory(seed);
    Workload workload(seed);
    for (int life = 0; life < 5; ++life) {
      auto opened = Log::Open(directory, kIdentity, kSmall);
      ASSERT_TRUE(opened.ok()) << opened.status();
      ASSERT_TRUE(opened->recovered.damage.empty()) << opened->recovered.damage[0].what;
      ASSERT_TRUE(workload.model().Fits(opened->recovered));
      for (int i = 0; i < 30; ++i) {
        ASSERT_TRUE(workload.Step(*opened->log).ok());
        opened->log->CheckInvariants();
      }
    }
  }
}

TEST(Log, SurvivesACrashAtEveryOperation) {
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (std::uint64_t crash = 1;; ++crash) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", crash at " + std::to_string(crash));
      io::FaultyDirectory directory(seed * 10'000 + crash);
      directory.CrashAt(crash);
      Workload workload(seed);
      auto opened = Log::Open(directory, kIdentity, kSmall);
      std::vector<Model> may_be = {Model()};
      for (int i = 0; i < 25 && opened.ok(); ++i) {
        const absl::Status done = workload.Step(*opened->log);
        may_be = workload.may_be();
        if (!done.ok()) break;
        may_be = {workload.model()};
      }
      if (!directory.has_crashed()) break;  // Every operation has had its turn.
      ++crashes;
      directory.Restart();
      // The machine may stop again while it recovers.
      for (const std::uint64_t again : {crash % 7, crash % 3}) {
        directory.CrashAt(directory.operations() + again + 1);
        const auto interrupted = Log::Open(directory, kIdentity, kSmall);
        directory.Restart();
      }
      opened = Log::Open(directory, kIdentity, kSmall);
      ASSERT_TRUE(opened.ok()) << opened.status();
      ASSERT_TRUE(opened->recovered.damage.empty()) << opened->recovered.damage[0].what;
      const Model* fit = FindFit(may_be, opened->recovered);
      ASSERT_NE(fit, nullptr);
      // And it goes on from there.
      workload.GoOnFrom(*fit);
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(workload.Step(*opened->log).ok());
      opened = Log::Open(directory, kIdentity, kSmall);
      ASSERT_TRUE(opened.ok());
      ASSERT_TRUE(workload.model().Fits(opened->recovered));
    }
  }
  EXPECT_GT(crashes, 500u);
}

// A log at rest, and what it should hold.
class DamagedLog {
 public:
  explicit DamagedLog(std::uint64_t seed) : disk_(seed), workload_(seed) {
    auto opened = Log::Open(disk_, kIdentity, kSmall);
    CHECK(opened.ok());
    for (int i = 0; i < 25; ++i) CHECK(workload_.Step(*opened->log).ok());
    CHECK(opened->log->Rest().ok());
  }
  std::vector<std::string> names() { return *disk_.List(); }
  std::string Contents(const std::string& name) const { return disk_.Contents(name); }
  const Model& model() const { return workload_.model(); }
  // A copy with `name` changed to `bytes`; nothing = the file is gone.
  std::unique_ptr<io::FaultyDirectory> With(const std::string& name,
                                            const std::optional<std::string>& bytes) {
    auto copy = std::make_unique<io::FaultyDirectory>(1);
    for (const std::string& other : names()) {
      if (other != name) copy->Overwrite(other, disk_.Contents(other));
    }
    if (bytes) copy->Overwrite(name, *bytes);
    return copy;
  }

 private:
  io::FaultyDirectory disk_;
  Workload workload_;
};

// Whatever is missing is told, nothing is invented, and neither vote nor promise is forgotten.
void ExpectHonest(const absl::StatusOr<Log::Opened>& opened, const Model& model) {
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Recovered& recovered = opened->recovered;
  EXPECT_EQ(recovered.hard_state.term, model.hard_state.term);
  EXPECT_EQ(recovered.hard_state.vote, model.hard_state.vote);
  if (recovered.damage.empty()) {
    EXPECT_TRUE(model.Fits(recovered));
    return;
  }
  std::map<Index, raft::EntryRef> held;
  for (const raft::EntryRef& entry : model.entries) held[entry.index] = entry;
  for (const auto& run : {recovered.entries, recovered.tail}) {
    Index previous;
    for (const raft::EntryRef& entry : run) {
      EXPECT_TRUE(previous.IsNone() || entry.index == previous.Next());
      previous = entry.index;
      // A hole may hide that the log was compacted; and one at the end, what has taken the place of
      // entries before it, which is then as if it had not come yet.
      if (entry.index <= model.mark.last.index || recovered.tail.empty()) continue;
      EXPECT_EQ(held[entry.index], entry);
    }
  }
  const raft::LogPosition last =
      model.entries.empty() ? model.mark.last : model.entries.back().position();
  EXPECT_GE(recovered.last_known, last);
}

TEST(Damage, EveryFlippedBitIsToldOrHarmless) {
  DamagedLog log(3);
  std::uint64_t told = 0;
  for (const std::string& name : log.names()) {
    const std::string bytes = log.Contents(name);
    for (std::uint64_t byte = 0; byte < bytes.size(); ++byte) {
      SCOPED_TRACE(name + " " + std::to_string(byte));
      std::string flipped = bytes;
      flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << (byte % 8)));
      const auto copy = log.With(name, flipped);
      const auto opened = Log::Open(*copy, kIdentity, kSmall);
      ExpectHonest(opened, log.model());
      told += opened.ok() && !opened->recovered.damage.empty() ? 1 : 0;
    }
  }
  EXPECT_GT(told, 100u);
}

TEST(Damage, WrongMissingAndShortenedSectorsAndFilesAreToldOrHarmless) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    DamagedLog log(seed);
    for (const std::string& name : log.names()) {
      SCOPED_TRACE(std::to_string(seed) + " " + name);
      ExpectHonest(Log::Open(*log.With(name, std::nullopt), kIdentity, kSmall), log.model());
      const std::string bytes = log.Contents(name);
      for (std::size_t at = 0; at < bytes.size(); at += 512) {
        SCOPED_TRACE(at);
        const std::size_t size = std::min<std::size_t>(512, bytes.size() - at);
        ExpectHonest(Log::Open(*log.With(name, bytes.substr(0, at)), kIdentity, kSmall),
                     log.model());
        std::string zeroed = bytes;
        zeroed.replace(at, size, size, '\0');
        ExpectHonest(Log::Open(*log.With(name, zeroed), kIdentity, kSmall), log.model());
        for (const std::string& other : log.names()) {  // A misdirected write.
          std::string wrong = bytes;
          wrong.replace(at, size, log.Contents(other).substr(0, size));
          ExpectHonest(Log::Open(*log.With(name, wrong), kIdentity, kSmall), log.model());
        }
      }
    }
  }
}

TEST(Damage, IsMendedOrStillThereAfterACrashAtEveryOperation) {
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    DamagedLog log(seed);
    const std::string name = log.names().front();
    std::string bytes = log.Contents(name);
    bytes.replace(100, 64, 64, 'x');
    for (std::uint64_t crash = 1;; ++crash) {
      SCOPED_TRACE(std::to_string(seed) + ", crash at " + std::to_string(crash));
      const auto disk = log.With(name, bytes);
      auto opened = Log::Open(*disk, kIdentity, kSmall);
      ASSERT_TRUE(opened.ok() && !opened->recovered.damage.empty());
      disk->CrashAt(disk->operations() + crash);
      const Model& model = log.model();
      const bool is_mended = opened->log->Mend(model.hard_state, model.mark, model.entries).ok();
      disk->Restart();
      opened = Log::Open(*disk, kIdentity, kSmall);
      ExpectHonest(opened, model);
      if (is_mended) {
        EXPECT_TRUE(opened->recovered.damage.empty());
        break;
      }
      ++crashes;
    }
  }
  EXPECT_GT(crashes, 20u);
}

// Found by the simulator: the only thing behind the damaged entries was a commit index.
TEST(Damage, WhatNothingBehindItTellsOfMayHaveBeenAnything) {
  io::FaultyDirectory directory(1);
  {
    auto opened = Log::Open(directory, kIdentity, kSmall);
    raft::AppendJob first{.sequence = 1, .hard_state = raft::HardState{.term = Term(1)}};
    ASSERT_TRUE(opened->log->Append({first}).ok());
    raft::AppendJob second{.sequence = 2};
    second.entries = {{.term = Term(1),
                       .index = Index(1),
                       .type = raft::EntryType::kCommand,
                       .payload = Blob(std::string(64, 'x'))}};
    ASSERT_TRUE(opened->log->Append({second}).ok());
    raft::AppendJob third{.sequence = 3,
                          .hard_state = raft::HardState{.term = Term(1), .commit = Index(1)}};
    ASSERT_TRUE(opened->log->Append({third}).ok());
  }
  const std::string name = SegmentName(1);
  const std::size_t entry = directory.Contents(name).find(std::string(64, 'x'));
  ASSERT_NE(entry, std::string::npos);
  directory.FlipBit(name, entry * 8);
  const auto opened = Log::Open(directory, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovered.damage.size(), 1u);
  EXPECT_EQ(opened->recovered.last_known, (raft::LogPosition{Term(1), raft::kUnknownExtent}));
}

// Found by the simulator: what was cut off a file looked as if it had never been written.
TEST(Damage, AFileThatIsShorterThanItWasFilledWasCut) {
  io::FaultyDirectory directory(1);
  {
    auto opened = Log::Open(directory, kIdentity, kSmall);
    for (std::uint64_t index = 1; index <= 2; ++index) {
      raft::AppendJob job{.sequence = index};
      if (index == 1) job.hard_state = raft::HardState{.term = Term(1)};
      job.entries = {{.term = Term(1),
                      .index = Index(index),
                      .type = raft::EntryType::kCommand,
                      .payload = Blob(std::string(64, static_cast<char>('0' + index)))}};
      ASSERT_TRUE(opened->log->Append({job}).ok());
    }
  }
  const std::string name = SegmentName(1);
  const std::string bytes = directory.Contents(name);
  const std::size_t cut = bytes.find(std::string(64, '2'));
  ASSERT_NE(cut, std::string::npos);
  {
    ASSERT_TRUE(directory.Remove(name).ok());
    auto file = *directory.Open(name, io::OpenMode::kCreate);
    ASSERT_TRUE(file->Write(0, bytes.substr(0, cut)).ok() && file->Sync().ok());
  }
  const auto opened = Log::Open(directory, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovered.entries.size(), 1u);
  EXPECT_EQ(opened->recovered.damage.size(), 1u);
  EXPECT_EQ(opened->recovered.last_known, (raft::LogPosition{Term(1), raft::kUnknownExtent}));
}

TEST(Log, SaysWhichEntriesAreDamaged) {
  io::FaultyDirectory directory(1);
  {
    auto opened = Log::Open(directory, kIdentity, kSmall);
    for (std::uint64_t index = 1; index <= 5; ++index) {
      raft::AppendJob job{.sequence = index};
      job.entries = {{.term = Term(1),
                      .index = Index(index),
                      .type = raft::EntryType::kCommand,
                      .payload = Blob(std::string(64, static_cast<char>('0' + index)))}};
      ASSERT_TRUE(opened->log->Append({job}).ok());
    }
  }
  const std::string name = SegmentName(1);
  const std::size_t third = directory.Contents(name).find(std::string(64, '3'));
  ASSERT_NE(third, std::string::npos);
  directory.FlipBit(name, third * 8);
  const auto opened = Log::Open(directory, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->recovered.damage.size(), 1u);
  EXPECT_EQ(opened->recovered.damage[0].first, Index(3));
  EXPECT_EQ(opened->recovered.entries.size(), 2u);
  ASSERT_EQ(opened->recovered.tail.size(), 2u);
  EXPECT_EQ(opened->recovered.tail.front().index, Index(4));
  EXPECT_EQ(opened->recovered.last_known, (raft::LogPosition{Term(1), Index(5)}));
}

TEST(Log, ReportsTheFirstErrorForEver) {
  for (std::uint64_t operation = 1;; ++operation) {
    io::FaultyDirectory directory(operation);
    Workload workload(4);
    auto opened = Log::Open(directory, kIdentity, kSmall);
    ASSERT_TRUE(opened.ok());
    const std::uint64_t before = directory.operations();
    directory.FailAt(before + operation, absl::UnavailableError("the disk says no"));
    bool has_failed = false;
    for (int i = 0; i < 20; ++i) {
      const absl::Status status = workload.Step(*opened->log);
      EXPECT_EQ(status.ok(), !has_failed && status.ok());
      has_failed = has_failed || !status.ok();
    }
    if (!has_failed) break;
  }
}

// Not so a disk that is full: what a write has not found room for may be written later. A sync that
// says so is as bad as any other that fails.
TEST(Log, AWriteThatFindsNoRoomIsMadeAgain) {
  std::uint64_t went_on = 0;
  std::uint64_t ended = 0;
  for (std::uint64_t operation = 1;; ++operation) {
    io::FaultyDirectory directory(operation);
    Workload workload(4);
    workload.MakePatient();
    auto opened = Log::Open(directory, kIdentity, kSmall);
    ASSERT_TRUE(opened.ok());
    // Twice in a row: also what is made again may find none.
    for (std::uint64_t at : {operation, operation + 1}) {
      directory.FailAt(directory.operations() + at, absl::ResourceExhaustedError("no space"));
    }
    const std::uint64_t before = directory.operations();
    bool has_failed = false;
    for (int i = 0; i < 40 && !has_failed; ++i) has_failed = !workload.Step(*opened->log).ok();
    if (directory.operations() < before + operation) break;
    ended += has_failed ? 1 : 0;
    if (has_failed) continue;
    went_on += workload.repeated() > 0 ? 1 : 0;
    opened->log.reset();
    auto again = Log::Open(directory, kIdentity, kSmall);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(workload.model().Fits(again->recovered)) << "operation " << operation;
  }
  EXPECT_GT(went_on, 20u);
  EXPECT_GT(ended, 20u);
}

TEST(Log, SeesThatOthersFillTheDisk) {
  io::FaultyDirectory directory(1);
  auto opened = Log::Open(directory, kIdentity, kSmall);
  EXPECT_TRUE(opened->log->HasRoom());
  directory.free_bytes = 1 << 20;
  opened->log->LookAtDisk();
  EXPECT_FALSE(opened->log->HasRoom());
  directory.free_bytes = kSmall.reserve_bytes + (10 << 20);
  EXPECT_TRUE(opened->log->HasRoom());
  EXPECT_FALSE(opened->log->HasRoom(11 << 20));
}

TEST(Log, BelongsToOneNodeAlone) {
  io::FaultyDirectory directory(1);
  ASSERT_TRUE(Log::Open(directory, kIdentity, kSmall).ok());
  for (const Identity& other :
       {Identity{.cluster_id = 6, .node = NodeId(2), .incarnation = Incarnation(77)},
        Identity{.cluster_id = 5, .node = NodeId(3), .incarnation = Incarnation(77)},
        Identity{.cluster_id = 5, .node = NodeId(2), .incarnation = Incarnation(78)}}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(Log::Open(directory, other, kSmall).status()));
  }
  directory.Overwrite("identity", "not the log's");
  EXPECT_TRUE(Log::Open(directory, kIdentity, kSmall).ok());
  EXPECT_EQ(directory.Contents("identity"), "not the log's");
}

TEST(Log, RestartsDoNotPileUpSegments) {
  io::FaultyDirectory directory(1);
  Workload workload(8);
  for (int i = 0; i < 30; ++i) {
    auto opened = Log::Open(directory, kIdentity, {.segment_bytes = 1 << 20});
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(workload.model().Fits(opened->recovered));
    ASSERT_TRUE(workload.Step(*opened->log).ok());
  }
  EXPECT_LE(directory.List()->size(), 2u);
}

TEST(Log, CompactionGivesSpaceBack) {
  io::FaultyDirectory directory(1);
  auto opened = Log::Open(directory, kIdentity, kSmall);
  Index index;
  for (int i = 0; i < 400; ++i) {
    raft::AppendJob job;
    job.entries = {{.term = Term(1),
                    .index = ++index,
                    .type = raft::EntryType::kCommand,
                    .payload = Blob(std::string(100, 'x'))}};
    ASSERT_TRUE(opened->log->Append({job}).ok());
  }
  const std::uint64_t before = opened->log->size_bytes();
  ASSERT_TRUE(
      opened->log
          ->Compact({.last = {.term = Term(1), .index = Index(390)}, .configuration = Founders()},
                    Log::Keep::kSuffix)
          .ok());
  EXPECT_LT(opened->log->size_bytes(), before / 4);
  opened = Log::Open(directory, kIdentity, kSmall);
  EXPECT_EQ(opened->recovered.entries.size(), 10u);
}

TEST(Log, KnowsWhenTheDiskIsAlmostFull) {
  io::FaultyDirectory directory(1);
  auto opened = Log::Open(directory, kIdentity, kSmall);
  EXPECT_TRUE(opened->log->HasRoom());
  directory.free_bytes = 1 << 20;
  // Looked at again after every so many bytes.
  for (int i = 0; i < 5; ++i) {
    raft::AppendJob job;
    job.entries = {{.term = Term(1),
                    .index = Index(static_cast<std::uint64_t>(i) + 1),
                    .type = raft::EntryType::kCommand,
                    .payload = Blob(std::string(4 << 20, 'x'))}};
    ASSERT_TRUE(opened->log->Append({job}).ok());
  }
  EXPECT_FALSE(opened->log->HasRoom());
  directory.free_bytes = 1ULL << 40;
  EXPECT_TRUE(opened->log->HasRoom());
}

TEST(Log, NoBytesMakeItCrash) {
  Prng prng(11);
  for (int round = 0; round < 300; ++round) {
    io::FaultyDirectory directory(1);
    ASSERT_TRUE(Log::Open(directory, kIdentity, kSmall).ok());
    std::string bytes = directory.Contents(SegmentName(1));
    const std::size_t from = prng.Chance(1, 2) ? kSegmentHeaderBytes : 0;
    for (std::size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(prng.Next());
    bytes.resize(prng.Below(bytes.size() + 1));
    directory.Overwrite(SegmentName(1), bytes);
    const auto opened = Log::Open(directory, kIdentity, kSmall);
    EXPECT_TRUE(!opened.ok() || !opened->recovered.damage.empty());
  }
}

}  // namespace
}  // namespace coterie::wal
