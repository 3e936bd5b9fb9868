// The bytes of commands, outcomes and events: what is written is read, and whatever else is read,
// nothing crashes.

#include "state/codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "state/command.h"
#include "state/command_check.h"
#include "state/event.h"
#include "state/machine.h"
#include "state/outcome.h"

namespace coterie::state {
namespace {

constexpr std::uint64_t kLarge = ~std::uint64_t{0};

// One of every kind, with every field set.
std::vector<CommandBody> OneOfEach() {
  return {
      CreateUser{.name = "ann", .password_hash = "h", .is_admin = true},
      SetPassword{.name = "ann", .password_hash = "h2"},
      RemoveUser{.name = "ann"},
      Login{.user = "ann",
            .verified_hash = "h",
            .create_user = true,
            .create_as_admin = true,
            .token_hash = std::string(kTokenHashBytes, '\xff'),
            .lifetime_ms = kLarge},
      Logout{},
      ExpireSession{.session = SessionId(kLarge)},
      Attach{.lease_ms = kLeaseMsMax},
      Leave{.session = SessionId(4), .attached = Revision(5), .reason = LeaveReason::kLoggedOut},
      CreateDocument{.name = "Größe", .text = "\U0001F600", .everyone = DocumentRole::kViewer},
      RenameDocument{.doc = DocId(7), .name = "n"},
      DeleteDocument{.doc = DocId(8)},
      ShareDocument{.doc = DocId(9), .user = "bob", .role = DocumentRole::kOwner},
      Write{.doc = DocId(1), .token = FencingToken(2), .text = std::string("a\0b", 3)},
      Edit{.doc = DocId(1),
           .token = FencingToken(2),
           .base = Revision(3),
           .unit = PositionUnit::kCodePoint,
           .splices = {{.position = 1, .deleted = 2, .inserted = "x"}, {.position = 300}}},
      Append{.doc = DocId(1), .token = FencingToken(2), .text = "t"},
      Restore{.doc = DocId(1), .token = FencingToken(2), .version = Revision(3)},
      Lock{.doc = DocId(1), .ttl_ms = kLockTtlMsMax},
      Unlock{.doc = DocId(1), .token = FencingToken(2)},
      BreakLock{.doc = DocId(1)},
      ExpireLock{.doc = DocId(1), .token = FencingToken(2), .renewed = Revision(3)},
      CheckDigest{.at = Revision(1), .digest = kLarge},
      ApplyUpdate{.doc = DocId(1), .token = FencingToken(2), .update = std::string("\0\0", 2)},
      AddSuggestions{.doc = DocId(1),
                     .base = Revision(2),
                     .kind = SuggestionKind::kContinue,
                     .author = "AI for ann",
                     .model = "tiny",
                     .changes = {{.position = 3, .before = "a", .after = "€", .why = "w"},
                                 {.position = 300, .after = "b"}}},
      ResolveSuggestions{.doc = DocId(1),
                         .token = FencingToken(2),
                         .batch = Revision(3),
                         .ordinal = 4,
                         .resolution = Resolution::kRejected},
      SaveDraft{.doc = DocId(1), .update = std::string("\0\0", 2)},
      MergeDraft{.doc = DocId(1), .token = FencingToken(2), .user = "bob"},
      DropDraft{.doc = DocId(1), .user = "bob"},
      EditDelta{.doc = DocId(1),
                .token = FencingToken(2),
                .base = Revision(3),
                .unit = PositionUnit::kCodePoint,
                .steps = {{.length = 300, .attributes = {{"bold", "true"}, {"color", "null"}}},
                          {.kind = StepKind::kInsert, .text = "€"},
                          {.kind = StepKind::kEmbed, .text = "{}"},
                          {.kind = StepKind::kDelete, .length = 2}}},
      ApplyUpdates{.doc = DocId(1),
                   .parts = {{.session = SessionId(300),
                              .request = {.client = ClientId(kLarge), .sequence = 2},
                              .update = std::string("\0\0", 2)},
                             {.session = SessionId(4),
                              .request = {.client = ClientId(5), .sequence = 6, .acked_below = 6},
                              .update = "no update"}}},
  };
}

std::vector<std::string> EncodedCommands() {
  std::vector<std::string> encoded;
  for (CommandBody& body : OneOfEach()) {
    encoded.push_back(
        EncodeCommand({.session = SessionId(3),
                       .request = {.client = ClientId(kLarge), .sequence = 128, .acked_below = 127},
                       .body = std::move(body)}));
  }
  return encoded;
}

EventBatch EveryEvent() {
  const LockView lock{.doc = DocId(1),
                      .document_name = "notes",
                      .session = SessionId(2),
                      .holder = "ann",
                      .token = FencingToken(3),
                      .renewed = Revision(4),
                      .ttl_ms = 5,
                      .expires_at_ms = kLarge};
  std::vector<EventBody> bodies = {
      UserCreated{.name = "ann"},
      UserRemoved{.name = "ann"},
      Joined{.session = SessionId(1)},
      Left{.session = SessionId(1), .reason = LeaveReason::kLeaseExpired},
      DocumentCreated{.doc = DocId(1), .name = "n"},
      DocumentRenamed{.doc = DocId(1), .name = "n"},
      DocumentDeleted{.doc = DocId(1), .name = "n"},
      DocumentShared{.doc = DocId(1), .user = "bob", .role = DocumentRole::kEditor},
      DocumentChanged{.doc = DocId(1),
                      .kind = ChangeKind::kRestore,
                      .previous = Revision(9),
                      .changes = {{.position_bytes = 3, .deleted = "a", .inserted = "b"}, {}},
                      .update = std::string("\0\0", 2)},
      DocumentLocked{.lock = lock, .renewed = true},
      DocumentUnlocked{.doc = DocId(1),
                       .token = FencingToken(2),
                       .holder = "ann",
                       .reason = UnlockReason::kDeleted},
      SuggestionsAdded{.doc = DocId(1),
                       .kind = SuggestionKind::kEnhance,
                       .author = "AI for ann",
                       .model = "tiny",
                       .count = 2},
      SuggestionResolved{
          .doc = DocId(1), .batch = Revision(2), .ordinal = 3, .resolution = Resolution::kStale},
      DraftSaved{.doc = DocId(1), .user = "bob", .size_bytes = 3},
      DraftMerged{.doc = DocId(1), .user = "bob"},
      DraftDropped{.doc = DocId(1), .user = "bob"},
  };
  EventBatch batch{.revision = Revision(kLarge), .time_ms = 1};
  for (EventBody& body : bodies) batch.events.push_back({.user = "u", .body = std::move(body)});
  return batch;
}

Outcome FullOutcome() {
  return {.code = Code::kForgotten,
          .message = "what, why",
          .revision = Revision(1),
          .doc = DocId(2),
          .session = SessionId(3),
          .token = FencingToken(4),
          .lock = LockView{.doc = DocId(1), .holder = "ann"}};
}

// `read` gives what the bytes mean, written anew; empty if they mean nothing.
template <class Read>
void ExpectHardened(const std::string& bytes, const Read& read) {
  ASSERT_EQ(read(bytes), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(read(bytes.substr(0, size)).has_value()) << size;
  }
  ASSERT_FALSE(read(bytes + '\0').has_value());  // More than it.
  Prng prng(bytes.size());
  for (int round = 0; round < 3'000; ++round) {
    std::string damaged = bytes;
    for (std::uint64_t flips = prng.Between(1, 4); flips > 0; --flips) {
      damaged[prng.Below(damaged.size())] ^= static_cast<char>(1 << prng.Below(8));
    }
    const std::optional<std::string> again = read(damaged);
    if (!again) continue;
    ASSERT_EQ(read(*again), *again);  // Some other value, and a whole one.
  }
}

TEST(Codec, EveryCommandIsReadAsItWasWritten) {
  ASSERT_EQ(OneOfEach().size(), std::variant_size_v<CommandBody>);
  const std::vector<CommandBody> bodies = OneOfEach();
  const std::vector<std::string> encoded = EncodedCommands();
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    const std::optional<Command> command = DecodeCommand(encoded[i]);
    ASSERT_TRUE(command.has_value()) << i;
    EXPECT_EQ(command->body.index(), i);  // The kinds' numbers are for ever.
    EXPECT_EQ(command->session, SessionId(3));
    EXPECT_EQ(command->request.client, ClientId(kLarge));
    EXPECT_EQ(command->request.sequence, 128u);
    EXPECT_EQ(command->request.acked_below, 127u);
  }
  const std::optional<Command> command = DecodeCommand(encoded[13]);
  const auto& edit = std::get<Edit>(command->body);
  EXPECT_EQ(edit.splices, std::get<Edit>(bodies[13]).splices);
  EXPECT_EQ(edit.base, Revision(3));
  EXPECT_EQ(edit.unit, PositionUnit::kCodePoint);
}

TEST(Codec, CommandsAreHardened) {
  for (const std::string& bytes : EncodedCommands()) {
    ExpectHardened(bytes, [](const std::string& damaged) -> std::optional<std::string> {
      const std::optional<Command> command = DecodeCommand(damaged);
      if (!command) return std::nullopt;
      return EncodeCommand(*command);
    });
  }
}

TEST(Codec, StampedCommandsAreHardened) {
  Stamp stamp{.time_ms = kLarge, .origin = NodeId(7), .waiter = 300};
  for (const std::string& bytes : EncodedCommands()) {
    stamp.level = stamp.level == kLevelNewest ? kLevelOldest : kLevelNewest;
    const std::string payload = StampCommand(stamp, bytes);
    const std::optional<StampedCommand> whole = DecodeStampedCommand(payload);
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(whole->stamp.time_ms, kLarge);
    EXPECT_EQ(whole->stamp.origin, NodeId(7));
    EXPECT_EQ(whole->stamp.waiter, 300u);
    EXPECT_EQ(whole->stamp.level, stamp.level);
    ExpectHardened(payload, [](const std::string& damaged) -> std::optional<std::string> {
      const std::optional<StampedCommand> read = DecodeStampedCommand(damaged);
      if (!read) return std::nullopt;
      return StampCommand(read->stamp, EncodeCommand(read->command));
    });
  }
}

TEST(Codec, OutcomesAreHardened) {
  for (const Outcome& outcome : {Outcome(), FullOutcome()}) {
    ExpectHardened(EncodeOutcome(outcome),
                   [](const std::string& damaged) -> std::optional<std::string> {
                     const std::optional<Outcome> read = DecodeOutcome(damaged);
                     if (!read) return std::nullopt;
                     return EncodeOutcome(*read);
                   });
  }
}

TEST(Codec, EventBatchesAreHardened) {
  const EventBatch batch = EveryEvent();
  ASSERT_EQ(batch.events.size(), std::variant_size_v<EventBody>);
  ExpectHardened(EncodeEventBatch(batch),
                 [](const std::string& damaged) -> std::optional<std::string> {
                   const std::optional<EventBatch> read = DecodeEventBatch(damaged);
                   if (!read) return std::nullopt;
                   return EncodeEventBatch(*read);
                 });
  const EventBatch read = *DecodeEventBatch(EncodeEventBatch(batch));
  for (std::size_t i = 0; i < read.events.size(); ++i) EXPECT_EQ(read.events[i].body.index(), i);
}

TEST(Codec, AppliedIsHardened) {
  const Applied applied{.term = Term(1),
                        .index = Index(2),
                        .configuration = "members",
                        .configuration_index = Index(1)};
  ExpectHardened(EncodeApplied(applied),
                 [](const std::string& damaged) -> std::optional<std::string> {
                   const std::optional<Applied> read = DecodeApplied(damaged);
                   if (!read) return std::nullopt;
                   return EncodeApplied(*read);
                 });
}

TEST(Codec, ACommandOfANewerProgramIsKnownToBeUnknown) {
  std::string bytes = EncodeCommand({.session = SessionId(300), .body = Append{.text = "a"}});
  EXPECT_TRUE(IsKnownCommand(bytes));
  constexpr std::size_t kKindOffset = 6;  // Version, session of two bytes, three of the request.
  bytes[kKindOffset] = static_cast<char>(std::variant_size_v<CommandBody>);
  EXPECT_FALSE(IsKnownCommand(bytes));
  bytes[kKindOffset] = 0;
  EXPECT_TRUE(IsKnownCommand(bytes));
  bytes[0] = static_cast<char>(codec::kVersion + 1);
  EXPECT_FALSE(IsKnownCommand(bytes));
  EXPECT_FALSE(IsKnownCommand(""));
}

TEST(Codec, APayloadTellsTheLevelThatItAsksFor) {
  const auto level_of = [](const CommandBody& body, std::uint64_t stamped) {
    return LevelOfPayload(StampCommand({.level = stamped}, EncodeCommand({.body = body})));
  };
  EXPECT_EQ(level_of(Append{.text = "a"}, kLevelOldest), kLevelOldest);
  EXPECT_EQ(level_of(Append{.text = "a"}, kLevelNewest), kLevelNewest);
  EXPECT_EQ(level_of(ApplyUpdate{.update = "a"}, kLevelOldest), 2u);
  EXPECT_EQ(level_of(EditDelta{}, kLevelOldest), 3u);
  EXPECT_EQ(level_of(ApplyUpdates{}, kLevelOldest), 3u);

  std::string newer = StampCommand({}, EncodeCommand({.body = Logout{}}));
  newer[4] = static_cast<char>(kLevelNewest + 1);  // Version, time, origin, waiter, then the level.
  EXPECT_GT(LevelOfPayload(newer), kLevelNewest);
  EXPECT_FALSE(DecodeStampedCommand(newer).has_value());
}

TEST(Codec, AnotherVersionDoesNotDecode) {
  std::string bytes = EncodedCommands()[0];
  bytes[0] = 2;
  EXPECT_FALSE(DecodeCommand(bytes).has_value());
  std::string payload = StampCommand({}, EncodedCommands()[0]);
  payload[0] = 3;
  EXPECT_FALSE(DecodeStampedCommand(payload).has_value());
  EXPECT_FALSE(DecodeStampedCommand(StampCommand({}, bytes)).has_value());
}

TEST(Codec, ALyingCountReservesNothing) {
  ByteWriter out;
  out.U8(codec::kVersion);
  out.Varint(kLarge);  // So many changes, and then no more bytes.
  EXPECT_FALSE(codec::DecodeRecord<std::vector<std::uint64_t>>(out.Take()).has_value());
}

// The gate before the log: what every machine would refuse does not pass.
TEST(Codec, WhatNoMachineWouldTakeIsNotProposed) {
  const auto passes = [](CommandBody body, RequestId request = {}) {
    return DecodeCommand(EncodeCommand({.request = request, .body = std::move(body)})).has_value();
  };
  EXPECT_FALSE(passes(CreateUser{.name = ""}));
  EXPECT_FALSE(passes(CreateDocument{.name = "a\nb"}));
  EXPECT_FALSE(passes(CreateDocument{.name = "a", .text = "\xc0\x80"}));
  EXPECT_FALSE(passes(RenameDocument{.name = std::string(kNameBytesMax + 1, 'a')}));
  EXPECT_FALSE(passes(RemoveUser{.name = "\xed\xa0\x80"}));
  EXPECT_FALSE(passes(SetPassword{.name = "a", .password_hash = "\xff"}));
  EXPECT_FALSE(passes(Write{.text = "\xf5"}));
  EXPECT_FALSE(passes(Append{.text = "\x80"}));
  EXPECT_FALSE(passes(Lock{.ttl_ms = kLockTtlMsMax + 1}));
  EXPECT_FALSE(passes(Attach{}));
  EXPECT_FALSE(passes(Edit{.splices = {{.inserted = "\xff"}}}));
  EXPECT_FALSE(passes(Edit{.splices = {{.position = 5}, {.position = 4}}}));
  EXPECT_FALSE(passes(Edit{.splices = {{.position = 1, .deleted = 3}, {.position = 3}}}));
  EXPECT_FALSE(passes(Edit{.splices = {{.position = kLarge, .deleted = kLarge}}}));
  EXPECT_FALSE(passes(Edit{.splices = std::vector<Splice>(kSplicesMax + 1)}));
  EXPECT_TRUE(passes(Edit{.splices = std::vector<Splice>(kSplicesMax)}));
  EXPECT_FALSE(passes(Append{.text = std::string(kCommandBytesMax, 'a')}));
  EXPECT_FALSE(passes(Logout{}, {.sequence = 1}));
  EXPECT_FALSE(passes(AddSuggestions{}));
  EXPECT_TRUE(passes(AddSuggestions{.changes = {{.before = "a", .after = "b"}}}));
  EXPECT_FALSE(passes(AddSuggestions{.changes = {{.before = "a", .after = "a"}}}));
  EXPECT_FALSE(
      passes(AddSuggestions{.changes = {{.before = "ab"}, {.position = 1, .after = "b"}}}));
  EXPECT_FALSE(passes(AddSuggestions{.changes = {{.after = "\xff"}}}));
  EXPECT_FALSE(
      passes(AddSuggestions{.changes = {{.after = std::string(kSuggestedBytesMax + 1, 'a')}}}));
  EXPECT_FALSE(passes(AddSuggestions{
      .changes = std::vector<SuggestedChange>(kSuggestionsMax + 1, {.after = "a"})}));
  EXPECT_FALSE(passes(ResolveSuggestions{.resolution = Resolution::kStale}));
  EXPECT_TRUE(passes(SaveDraft{.update = std::string("\0\0", 2)}));
  EXPECT_FALSE(passes(SaveDraft{.update = "no update"}));
  EXPECT_FALSE(passes(MergeDraft{}));
  EXPECT_FALSE(passes(DropDraft{.user = "\xff"}));
}

}  // namespace
}  // namespace coterie::state
