// Updates of the real yjs, damaged at random, through everything that reads bytes: nothing may
// crash, hang or read out of bounds (the sanitizers see that), and what is made of a valid update
// must be valid. COTERIE_MUTATIONS=N sets how many.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "crdt/doctor.h"
#include "crdt/js_value.h"
#include "crdt/json.h"
#include "crdt/merge.h"
#include "crdt/relative_position.h"
#include "crdt/snapshot.h"
#include "crdt/split.h"
#include "crdt/test_bytes.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::uint64_t kSeed = 41;
constexpr std::size_t kSizeMax = 1 << 16;

// The first inputs of all lines with that verb.
std::vector<std::string> ReadInputs(const std::string& wanted) {
  std::ifstream file("testdata/wire.txt");
  std::vector<std::string> inputs;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string verb, input;
    words >> verb >> input;
    if (verb == wanted && input != "=") inputs.push_back(FromHex(input));
  }
  return inputs;
}

int Rounds() {
  const char* rounds = std::getenv("COTERIE_MUTATIONS");  // NOLINT(concurrency-mt-unsafe)
  return rounds == nullptr ? 10'000 : std::stoi(rounds);
}

void Mutate(Prng& prng, std::string& bytes) {
  for (std::uint64_t left = prng.Between(1, 3); left > 0; --left) {
    const std::size_t at = bytes.empty() ? 0 : prng.Below(bytes.size());
    const auto byte = static_cast<char>(prng.Below(256));
    if (bytes.empty() || prng.Chance(1, 6)) {
      bytes.insert(at, 1, byte);
    } else if (prng.Chance(1, 5)) {
      bytes.erase(at, prng.Between(1, 3));
    } else if (prng.Chance(1, 2)) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << prng.Below(8)));
    } else {
      bytes[at] = byte;
    }
  }
}

// Both ways to read say the same.
void CompareReaders(const std::string& update) {
  UpdateReader views(update);
  UpdateReader spans(update);
  StructView view;
  StructSpan span;
  std::size_t end = 0;
  while (views.Next(view)) {
    ASSERT_TRUE(spans.NextSpan(span));
    ASSERT_EQ(span.id, view.id);
    ASSERT_EQ(span.length, view.length);
    ASSERT_EQ(span.content, view.content);
    ASSERT_EQ(span.bytes, views.bytes());
    const auto begin = static_cast<std::size_t>(span.bytes.data() - update.data());
    ASSERT_GE(begin, end);
    end = begin + span.bytes.size();
  }
  ASSERT_FALSE(spans.NextSpan(span));
  ASSERT_EQ(spans.ok(), views.ok());
}

void UseValid(Prng& prng, const std::string& update, const std::string& other) {
  UpdateView view;
  ASSERT_FALSE(UpdateView::Open(update, view));
  StateVector known = view.state_vector();
  for (const UpdateView::Group& group : view.groups()) {
    known.Set(group.client, static_cast<Clock>(prng.Below(std::uint64_t{group.end} + 2)));
  }
  const std::string diff = view.Diff(known);
  ASSERT_FALSE(ValidateUpdate(diff)) << ToHex(update) << " -> " << ToHex(diff);

  const MergeResult squashed = SquashUpdate(update);
  ASSERT_FALSE(ValidateUpdate(squashed.update)) << ToHex(update);
  ASSERT_EQ(SquashUpdate(squashed.update).update, squashed.update);
  ASSERT_TRUE(Subtract(update, squashed.update).structs.empty()) << ToHex(update);
  ASSERT_TRUE(Subtract(squashed.update, update).structs.empty()) << ToHex(update);

  const std::string_view both[] = {update, other};
  const MergeResult merged = MergeUpdates(both);
  ASSERT_FALSE(merged.malformed);
  ASSERT_FALSE(ValidateUpdate(merged.update)) << ToHex(update) << " " << ToHex(other);
  ASSERT_TRUE(Subtract(update, merged.update).structs.empty()) << ToHex(update);
  ASSERT_TRUE(Subtract(other, merged.update).structs.empty()) << ToHex(update);

  const SplitResult split = SplitUpdate(update, kSplitBytesMin);
  const std::vector<std::string_view> parts(split.parts.begin(), split.parts.end());
  ASSERT_TRUE(split.refused || !parts.empty());
  const MergeResult whole = MergeUpdates(parts);
  ASSERT_FALSE(whole.malformed);
  ASSERT_TRUE(split.refused || Subtract(update, whole.update).structs.empty()) << ToHex(update);

  const Transcoded v2 = TranscodeToV2(update);
  ASSERT_FALSE(v2.malformed);
  const Transcoded v1 = TranscodeToV1(v2.update, kSizeMax);
  if (v1.malformed) return;  // A JSON value that cannot come back, or V1 that is too large.
  ASSERT_FALSE(ValidateUpdate(v1.update)) << ToHex(update);
  // Not v2 again: of a number that is infinite JSON makes null.
  ASSERT_EQ(TranscodeToV1(TranscodeToV2(v1.update).update, kSizeMax).update, v1.update);
}

TEST(Mutation, OfV1IsRefusedOrHarmless) {
  Prng prng(kSeed);
  const std::vector<std::string> inputs = ReadInputs("validate");
  ASSERT_FALSE(inputs.empty());
  int valid = 0;
  for (int round = 0; round < Rounds(); ++round) {
    std::string update = inputs[prng.Below(inputs.size())];
    Mutate(prng, update);
    CompareReaders(update);
    const UpdateReport report = Examine(update, kSizeMax);
    const Repaired repaired = Repair(update, kSizeMax);
    ASSERT_EQ(repaired.update.empty(), report.IsBroken());
    ASSERT_TRUE(repaired.update.empty() || !ValidateUpdate(repaired.update)) << ToHex(update);
    if (ValidateUpdate(update)) continue;
    ++valid;
    UseValid(prng, update, inputs[prng.Below(inputs.size())]);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(valid, 0);
}

TEST(Mutation, OfV2IsRefusedOrHarmless) {
  Prng prng(kSeed);
  const std::vector<std::string> inputs = ReadInputs("v1");
  ASSERT_FALSE(inputs.empty());
  int valid = 0;
  for (int round = 0; round < Rounds(); ++round) {
    std::string update = inputs[prng.Below(inputs.size())];
    Mutate(prng, update);
    const Transcoded v1 = TranscodeToV1(update, kSizeMax);
    if (v1.malformed) {
      ASSERT_LE(v1.malformed.offset_bytes, update.size());
      continue;
    }
    ++valid;
    ASSERT_LE(v1.update.size(), kSizeMax);
    ASSERT_FALSE(ValidateUpdate(v1.update)) << ToHex(update) << " -> " << ToHex(v1.update);
  }
  EXPECT_GT(valid, 0);
}

TEST(Mutation, OfSmallThingsIsRefusedOrHarmless) {
  Prng prng(kSeed);
  for (int round = 0; round < Rounds(); ++round) {
    std::string bytes = FromHex(prng.Chance(1, 2) ? "010102010204010209010106" : "0001c80141");
    Mutate(prng, bytes);
    Snapshot snapshot;
    if (!DecodeSnapshot(bytes, WireFormat::kV2, snapshot)) {
      Snapshot again;
      ASSERT_FALSE(
          DecodeSnapshot(EncodeSnapshot(snapshot, WireFormat::kV1), WireFormat::kV1, again));
      ASSERT_EQ(again, snapshot);
    }
    RelativePosition position;
    static_cast<void>(DecodeRelativePosition(bytes, position));
    std::string json = R"({"item":{"client":1,"clock":20},"a":[1.5e-3,"\ud83d\ude00",null]})";
    Mutate(prng, json);
    static_cast<void>(RelativePositionFromJson(json, position));
    if (!IsValidUtf8(json) || CheckJson(json)) continue;
    std::string rewritten;
    ASSERT_TRUE(WriteJson(ParseJson(json), rewritten));
    ASSERT_FALSE(CheckJson(rewritten)) << json << " -> " << rewritten;
  }
}

}  // namespace
}  // namespace coterie::crdt
