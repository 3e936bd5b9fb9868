// All machines agree: the same log gives the same outcomes, events, digests and stored bytes,
// however it is cut into commits, whenever a node restarts or crashes, whatever its caches hold.
// And a machine on a damaged Kv stops; it does not crash.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "state/machine.h"
#include "state/memory_kv.h"
#include "state/names.h"
#include "state/test_commands.h"

namespace coterie::state {
namespace {

// Small retention, so that pruning happens; the cache is each node's own affair.
Machine::Options OptionsWith(std::size_t content_cache_bytes_max) {
  return {.events_retained_max = 150,
          .events_retained_bytes_max = 200'000,
          .versions_kept_max = 20,
          .content_cache_bytes_max = content_cache_bytes_max};
}

struct Applying {
  std::string outcome;             // Encoded.
  std::vector<std::string> parts;  // Of a joint edit.
  std::string events;
  std::uint64_t digest = 0;
  friend bool operator==(const Applying&, const Applying&) = default;
};

Applying ApplyTo(Machine& machine, const std::string& payload) {
  const Index index = machine.applied().index.Next();
  if (payload.empty()) {
    machine.ApplyNoop(Term(1), index);
    return {.digest = machine.digest()};
  }
  if (payload.rfind("members", 0) == 0) {
    machine.ApplyConfiguration(Term(2), index, payload);
    return {.digest = machine.digest()};
  }
  const ApplyResult result = machine.ApplyCommand(Term(2), index, payload);
  Applying applying{.digest = machine.digest()};
  if (result.outcome) {
    applying.outcome = EncodeOutcome(*result.outcome);
    for (const Outcome& part : result.outcome->parts) {
      applying.parts.push_back(EncodeOutcome(part));
    }
  }
  if (result.events) applying.events = EncodeEventBatch(*result.events);
  return applying;
}

struct Log {
  std::vector<std::string> payloads;  // Empty: a no-op. "members...": a configuration.
  std::vector<Applying> results;
};

// A log at random, and what its author's machine, which never restarts, made of it.
Log MakeLog(MemoryKv& kv, std::uint64_t seed, int entries) {
  Machine machine(kv, OptionsWith(64 << 20));
  RandomCommands commands(machine, seed);
  Prng prng(seed);
  Log log;
  for (int i = 0; i < entries; ++i) {
    std::string payload = commands.NextPayload();
    if (prng.Chance(1, 50)) payload = "members " + std::to_string(i);
    if (prng.Chance(1, 50)) payload.clear();
    log.results.push_back(ApplyTo(machine, payload));
    log.payloads.push_back(std::move(payload));
    machine.Commit();
    machine.CheckInvariants();
  }
  machine.CheckInvariantsDeep();
  EXPECT_FALSE(machine.divergence().has_value());
  return log;
}

TEST(Agreement, TheLogsAreWorthIt) {
  MemoryKv kv;
  const Log log = MakeLog(kv, 1, 2'000);
  std::vector<int> codes(14);
  int batches = 0;
  int resolved[3] = {};
  int drafts[3] = {};  // Saved, merged, dropped.
  int joint = 0;       // Versions of several authors.
  for (const Applying& result : log.results) {
    batches += result.events.empty() ? 0 : 1;
    const std::optional<EventBatch> batch = DecodeEventBatch(result.events);
    for (const Event& event : batch ? batch->events : std::vector<Event>()) {
      const auto* resolution = std::get_if<SuggestionResolved>(&event.body);
      if (resolution != nullptr) ++resolved[static_cast<std::size_t>(resolution->resolution)];
      joint += SplitNames(event.user).size() > 1 ? 1 : 0;
      drafts[0] += std::holds_alternative<DraftSaved>(event.body) ? 1 : 0;
      drafts[1] += std::holds_alternative<DraftMerged>(event.body) ? 1 : 0;
      drafts[2] += std::holds_alternative<DraftDropped>(event.body) ? 1 : 0;
    }
    const std::optional<Outcome> outcome = DecodeOutcome(result.outcome);
    if (outcome) ++codes[static_cast<std::size_t>(outcome->code)];
  }
  EXPECT_GT(codes[static_cast<std::size_t>(Code::kOk)], 600);
  EXPECT_GT(batches, 300);
  for (const Code code :
       {Code::kUnauthenticated, Code::kPermissionDenied, Code::kNotFound, Code::kAlreadyExists,
        Code::kLocked, Code::kLockRequired, Code::kStaleToken, Code::kOutOfRange, Code::kForgotten,
        Code::kStaleSuggestion}) {
    EXPECT_GT(codes[static_cast<std::size_t>(code)], 0) << static_cast<int>(code);
  }
  for (const int times : resolved) EXPECT_GT(times, 0);
  for (const int times : drafts) EXPECT_GT(times, 0);
  EXPECT_GT(joint, 20);
}

TEST(Agreement, HoweverTheLogIsCutIntoCommits) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    MemoryKv author_kv;
    const Log log = MakeLog(author_kv, seed, 1'500);
    for (const std::size_t per_commit : {2, 7, 100, 100'000}) {
      MemoryKv kv;
      Machine machine(kv, OptionsWith(1));
      for (std::size_t i = 0; i < log.payloads.size(); ++i) {
        ASSERT_EQ(ApplyTo(machine, log.payloads[i]), log.results[i]) << seed << " at " << i + 1;
        if (i % per_commit == per_commit - 1) machine.Commit();
      }
      machine.Commit();
      machine.CheckInvariantsDeep();
      EXPECT_TRUE(kv.committed() == author_kv.committed());
    }
  }
}

TEST(Agreement, WheneverANodeCrashes) {
  for (std::uint64_t seed = 11; seed <= 16; ++seed) {
    MemoryKv author_kv;
    const Log log = MakeLog(author_kv, seed, 1'500);
    Prng prng(seed);
    MemoryKv kv;
    auto machine = std::make_unique<Machine>(kv, OptionsWith(5'000));
    while (machine->applied().index.value() < log.payloads.size()) {
      const std::size_t next = machine->applied().index.value();
      ASSERT_EQ(ApplyTo(*machine, log.payloads[next]), log.results[next])
          << seed << " at " << next + 1;
      if (prng.Chance(1, 5)) machine->Commit();
      if (!prng.Chance(1, 60)) continue;
      machine.reset();
      kv.Crash();  // What was not committed is applied again.
      machine = std::make_unique<Machine>(kv, OptionsWith(5'000));
    }
    machine->Commit();
    machine->CheckInvariantsDeep();
    EXPECT_TRUE(kv.committed() == author_kv.committed());
    EXPECT_EQ(machine->applied().term, Term(2));
  }
}

TEST(Agreement, ConfigurationsAreKeptWithTheState) {
  MemoryKv kv;
  {
    Machine machine(kv, {});
    machine.ApplyConfiguration(Term(3), Index(1), "members 1");
    machine.ApplyNoop(Term(4), Index(2));
    machine.Commit();
  }
  const Machine machine(kv, {});
  EXPECT_EQ(machine.applied().configuration, "members 1");
  EXPECT_EQ(machine.applied().configuration_index, Index(1));
  EXPECT_EQ(machine.applied().index, Index(2));
  EXPECT_EQ(machine.applied().term, Term(4));
  const std::optional<Applied> stored = DecodeApplied(*kv.Get(kAppliedKey));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->index, Index(2));
}

TEST(Agreement, ADigestIsComparedAtItsIndexAndTheFaultIsRemembered) {
  MemoryKv kv;
  Machine machine(kv, {});
  std::vector<std::uint64_t> digests = {0};
  for (std::uint64_t i = 1; i <= 20; ++i) {
    machine.ApplyNoop(Term(1), Index(i));
    digests.push_back(machine.digest());
  }
  const auto check = [&](std::uint64_t at, std::uint64_t digest) {
    const std::string command =
        EncodeCommand({.body = CheckDigest{.at = Revision(at), .digest = digest}});
    machine.ApplyCommand(Term(1), machine.applied().index.Next(), StampCommand({}, command));
    machine.Commit();
  };
  for (std::uint64_t at = 1; at <= 20; ++at) check(at, digests[at]);
  check(0, 5);
  check(100'000, 5);  // Not known here: nothing can be said.
  EXPECT_FALSE(machine.divergence().has_value());
  check(7, digests[8]);
  ASSERT_TRUE(machine.divergence().has_value());
  EXPECT_EQ(machine.divergence()->at, Revision(7));
  const Index applied = machine.applied().index;
  machine.ApplyNoop(Term(1), applied.Next());
  EXPECT_EQ(machine.applied().index, applied);  // Nothing more.
  const Machine again(kv, {});
  ASSERT_TRUE(again.divergence().has_value());
  EXPECT_EQ(again.divergence()->at, Revision(7));
}

// --- Damage ---

// Asks everything that can be asked.
void AskEverything(const Machine& machine) {
  for (const UserView& user : machine.Users()) {
    for (const DocumentView& document : machine.Documents()) {
      static_cast<void>(machine.RoleOf(user.name, document.id));
    }
  }
  static_cast<void>(machine.Sessions());
  static_cast<void>(machine.Locks());
  for (const DocumentView& document : machine.Documents()) {
    static_cast<void>(machine.TextAt(document.id, Revision()));
    static_cast<void>(machine.Suggestions(document.id));
    for (const DraftView& draft : machine.Drafts(document.id)) {
      static_cast<void>(machine.DraftUpdate(document.id, draft.user));
    }
    for (const VersionView& version : machine.Versions(document.id)) {
      static_cast<void>(machine.TextAt(document.id, version.revision));
    }
  }
  Revision after = machine.oldest_event_revision().Previous();
  while (true) {
    const std::vector<EventBatch> page = machine.EventsAfter(after, 100, 1 << 20);
    if (page.empty()) break;
    after = page.back().revision;
  }
}

// Of a table, one record is gone, cut or nonsense.
TEST(Damage, ARecordThatDoesNotDecodeStopsTheMachine) {
  MemoryKv author_kv;
  MakeLog(author_kv, 31, 800);
  Prng prng(31);
  int noticed = 0;
  for (int round = 0; round < 300; ++round) {
    MemoryKv kv = author_kv;
    const auto record =
        std::next(kv.committed().begin(), static_cast<int>(prng.Below(kv.committed().size())));
    const std::string key = record->first;
    std::string value = record->second;
    switch (prng.Below(3)) {
      case 0:
        kv.Delete(key);
        break;
      case 1:
        kv.Put(key, value.substr(0, prng.Below(value.size() + 1)));
        break;
      default:
        kv.Put(key, "\x07" + value);
    }
    kv.Commit();
    Machine machine(kv, OptionsWith(0));
    AskEverything(machine);
    RandomCommands commands(machine, 31);
    for (int i = 0; i < 30 && !machine.divergence(); ++i) {
      machine.ApplyCommand(Term(2), machine.applied().index.Next(), commands.NextPayload());
      machine.Commit();
    }
    noticed += machine.divergence() ? 1 : 0;
  }
  EXPECT_GT(noticed, 200);
}

// Below every checksum a bit may flip, and the record still decodes: whatever it says, no crash.
TEST(Damage, AFlippedBitCrashesNothing) {
  MemoryKv author_kv;
  MakeLog(author_kv, 32, 800);
  Prng prng(34);
  for (int round = 0; round < 1'000; ++round) {
    MemoryKv kv = author_kv;
    const auto record =
        std::next(kv.committed().begin(), static_cast<int>(prng.Below(kv.committed().size())));
    std::string value = record->second;
    if (value.empty()) continue;
    value[prng.Below(value.size())] ^= static_cast<char>(1 << prng.Below(8));
    kv.Put(record->first, value);
    kv.Commit();
    Machine machine(kv, OptionsWith(0));
    AskEverything(machine);
    RandomCommands commands(machine, prng.Next());
    for (int i = 0; i < 30 && !machine.divergence(); ++i) {
      machine.ApplyCommand(Term(2), machine.applied().index.Next(), commands.NextPayload());
      machine.Commit();
    }
  }
}

}  // namespace
}  // namespace coterie::state
