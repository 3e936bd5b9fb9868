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

// A struct on its own is too short for the quick way to read one: the slow way says the same.
void CompareWithSlow(const StructView& view, std::string_view bytes) {
  UpdateReader alone(bytes, {.id = view.id, .structs = 1});
  StructView slow;
  ASSERT_TRUE(alone.Next(slow)) << ToHex(bytes) << " " << alone.malformed().reason;
  ASSERT_EQ(slow.length, view.length) << ToHex(bytes);
  ASSERT_EQ(slow.content, view.content);
  ASSERT_EQ(slow.parent, view.parent);
  ASSERT_EQ(slow.has_parent_sub, view.has_parent_sub);
  ASSERT_EQ(slow.has_origin, view.has_origin);
  ASSERT_EQ(slow.origin, view.origin) << ToHex(bytes);
  ASSERT_EQ(slow.has_right_origin, view.has_right_origin);
  ASSERT_EQ(slow.right_origin, view.right_origin) << ToHex(bytes);
  ASSERT_EQ(slow.payload, view.payload);
}

// Runs hold what is read one by one, and never more than they may.
void CompareRuns(Prng& prng, const std::string& update) {
  UpdateReader spans(update);
  UpdateReader runs(update);
  StructSpan span;
  StructSpan first;
  while (runs.NextSpan(first)) {
    ASSERT_TRUE(spans.NextSpan(span));
    ASSERT_EQ(span.bytes, first.bytes);
    ASSERT_EQ(spans.is_first_of_client(), runs.is_first_of_client());
    RunLimit limit;
    if (prng.Chance(1, 2)) limit.structs = prng.Below(5);
    if (prng.Chance(1, 2)) limit.end = span.id.clock + prng.Below(30);
    StructRun run;
    if (!runs.NextRun(limit, run)) continue;
    ASSERT_LE(run.structs, limit.structs);
    ASSERT_LE(run.end, limit.end);
    ASSERT_EQ(run.first, (Id{.client = span.id.client, .clock = span.id.clock + span.length}));
    std::string bytes;
    for (std::uint64_t i = 0; i < run.structs; ++i) {
      ASSERT_TRUE(spans.NextSpan(span));
      ASSERT_FALSE(span.has_idle_bits);
      ASSERT_NE(span.content, ContentKind::kGc);
      ASSERT_NE(span.content, ContentKind::kSkip);
      bytes += span.bytes;
    }
    ASSERT_EQ(run.bytes, bytes);
    ASSERT_EQ(run.end, span.id.clock + span.length);
  }
  ASSERT_FALSE(spans.NextSpan(span));
  ASSERT_EQ(runs.malformed().offset_bytes, spans.malformed().offset_bytes);
  ASSERT_EQ(runs.malformed().reason, spans.malformed().reason);
}

// Texts are what is read one by one, the letters behind them too.
void CompareTexts(const std::string& update) {
  UpdateReader views(update);
  UpdateReader texts(update);
  StructView view;
  StructView first;
  TextStruct room[5];
  while (texts.Next(first)) {
    ASSERT_TRUE(views.Next(view));
    ASSERT_EQ(views.bytes(), texts.bytes());
    ASSERT_EQ(views.is_first_of_client(), texts.is_first_of_client());
    for (const TextStruct& text : texts.NextTexts(room)) {
      Lib0Writer letters;
      text.CopyLetters(letters);
      ASSERT_EQ(letters.size_bytes(), text.letters);
      for (std::size_t i = 0; i <= text.letters; ++i) {
        ASSERT_TRUE(views.Next(view));
        ASSERT_FALSE(view.has_parent_sub);
        ASSERT_EQ(view.id.clock, text.clock + (i == 0 ? 0 : text.length + i - 1));
        ASSERT_EQ(view.length, i == 0 ? text.length : 1);
        ASSERT_EQ(view.content, text.content);
        ASSERT_EQ(view.has_origin, text.has_origin);
        ASSERT_EQ(view.has_right_origin, text.has_right_origin);
        const Id before = {.client = view.id.client, .clock = view.id.clock - 1};
        ASSERT_EQ(view.origin, i == 0 ? text.origin : before);
        ASSERT_EQ(view.right_origin, text.right_origin);
        ASSERT_EQ(view.payload, i == 0 ? text.text() : letters.view().substr(i - 1, 1));
        ASSERT_EQ(views.bytes().size(), text.bytes.size());
      }
    }
  }
  ASSERT_FALSE(views.Next(view));
  ASSERT_EQ(texts.malformed().offset_bytes, views.malformed().offset_bytes);
  ASSERT_EQ(texts.malformed().reason, views.malformed().reason);
}

// What is typed letter by letter; yields how many structs these are.
std::uint64_t WriteLetters(Prng& prng, Client client, std::uint64_t clock, std::uint64_t letters,
                           Lib0Writer& writer) {
  const bool has_right = prng.Chance(1, 2);
  const std::uint64_t right = prng.Below(clock);
  for (std::uint64_t i = 0; i < letters; ++i) {
    writer.U8(has_right ? 0xc4 : 0x84);
    writer.VarUint(client.value());
    writer.VarUint(clock + i - 1);
    if (has_right) writer.VarUint(client.value());
    if (has_right) writer.VarUint(right);
    writer.VarBytes(std::string(1, static_cast<char>('a' + prng.Below(26))));
  }
  return letters;
}

// What three clients write, each update behind those before it; some delete.
std::vector<std::string> Typed(Prng& prng) {
  Clock ends[] = {0, static_cast<Clock>(prng.Below(3)), 200};
  std::vector<std::string> updates;
  for (std::uint64_t left = prng.Between(2, 60); left > 0; --left) {
    const std::uint64_t who = prng.Below(3);
    const Client client(5 + 1000 * who);
    Lib0Writer writer;
    const std::uint64_t structs = prng.Below(3);
    writer.VarUint(structs > 0 ? 1 : 0);
    if (structs > 0) writer.VarUint(structs);
    if (structs > 0) writer.VarUint(client.value());
    if (structs > 0) writer.VarUint(ends[who]);
    for (std::uint64_t i = 0; i < structs; ++i) {
      if (ends[who] > 0 && prng.Chance(2, 3)) {
        ends[who] += static_cast<Clock>(WriteLetters(prng, client, ends[who], 1, writer));
        continue;
      }
      // Collected, or deleted in a root's key.
      const Clock length = 1 + static_cast<Clock>(prng.Below(3));
      writer.Raw(prng.Chance(1, 3) ? std::string_view("\0", 1) : "\x21\1\1r\1k");
      writer.VarUint(length);
      ends[who] += length;
    }
    const bool has_deleted = ends[who] > 0 && prng.Chance(1, 2);
    writer.VarUint(has_deleted ? 1 : 0);
    if (has_deleted) {
      writer.VarUint(client.value());
      writer.VarUint(1);
      writer.VarUint(prng.Below(ends[who]));
      writer.VarUint(prng.Between(1, 3));
    }
    updates.push_back(writer.Take());
  }
  return updates;
}

// One client's structs, most of them strings and deleted ones with neighbours, of every length that
// an integer can have.
std::string ManyStructs(Prng& prng) {
  const auto some = [&prng](int bits_max) {
    return prng.Below(std::uint64_t{1} << prng.Between(1, static_cast<std::uint64_t>(bits_max)));
  };
  const Client own(some(50));
  Lib0Writer writer;
  std::uint64_t structs = prng.Between(2, 60);
  const std::uint64_t first_clock = some(30);
  std::uint64_t clock = first_clock;
  for (std::uint64_t left = structs; left > 0; --left) {
    if (clock > 0 && prng.Chance(1, 50)) {
      const std::uint64_t letters = WriteLetters(prng, own, clock, prng.Between(1, 400), writer);
      structs += letters;
      clock += letters;
    }
    const bool is_text = prng.Chance(2, 3);
    auto info = static_cast<std::uint8_t>(is_text ? 4 : 1);
    info |= static_cast<std::uint8_t>(prng.Between(1, 3) << 6);
    if (prng.Chance(1, 20)) info |= 0x20;
    writer.U8(info);
    for (const int bit : {0x80, 0x40}) {
      if ((info & bit) == 0) continue;
      const bool is_own = prng.Chance(1, 2);
      writer.VarUint(is_own ? own.value() : some(53));
      // Now and then a later one, which is refused.
      writer.VarUint(is_own ? prng.Below(clock + (prng.Chance(1, 200) ? 9 : 1)) : some(32));
    }
    std::string text(is_text ? some(8) + 1 : 0, 'x');
    if (is_text && prng.Chance(1, 8)) text += "\xf0\x9f\xa6\x8a\xe6\x95\x8f";
    const std::uint64_t length = is_text ? Utf16Length(text) : some(30) + 1;
    writer.VarUint(is_text ? text.size() : length);
    writer.Raw(text);
    clock += length;
  }
  Lib0Writer update;
  update.VarUint(1);
  update.VarUint(structs);
  update.VarUint(own.value());
  update.VarUint(first_clock);
  update.Raw(writer.view());
  update.VarUint(0);
  return update.Take();
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

TEST(Mutation, QuickAndSlowReadersAgree) {
  Prng prng(kSeed);
  int valid = 0;
  for (int round = 0; round < Rounds(); ++round) {
    std::string update = ManyStructs(prng);
    if (prng.Chance(1, 2)) Mutate(prng, update);
    UpdateReader reader(update);
    StructView view;
    while (reader.Next(view)) CompareWithSlow(view, reader.bytes());
    valid += reader.ok() ? 1 : 0;
    CompareReaders(update);
    CompareRuns(prng, update);
    CompareTexts(update);
    if (HasFatalFailure()) FAIL() << ToHex(update);
  }
  EXPECT_GT(valid, Rounds() / 4);
}

TEST(Mutation, WhatIsTypedMergesAsAllElse) {
  Prng prng(kSeed);
  int valid = 0;
  for (int round = 0; round < Rounds(); ++round) {
    std::vector<std::string> typed = Typed(prng);
    if (prng.Chance(1, 4)) Mutate(prng, typed[prng.Below(typed.size())]);
    std::vector<std::string_view> updates(typed.begin(), typed.end());
    const MergeResult merged = MergeUpdates(updates);
    // What comes once more is no continuation.
    updates.insert(updates.end(), typed.begin(), typed.end());
    const MergeResult twice = MergeUpdates(updates);
    ASSERT_EQ(merged.malformed.reason, twice.malformed.reason);
    ASSERT_EQ(merged.malformed.offset_bytes, twice.malformed.offset_bytes);
    ASSERT_EQ(merged.which, twice.which);
    ASSERT_EQ(ToHex(merged.update), ToHex(twice.update));
    valid += merged.malformed ? 0 : 1;
  }
  EXPECT_GT(valid, Rounds() / 2);
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
