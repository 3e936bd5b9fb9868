// What a room promises its members: who may be in it and hear what, and that nothing is called
// saved that is not. A room on a real node, with sockets that keep what they are sent.

#include "gateway/room.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/gossip.h"
#include "gateway/limits.h"
#include "gateway/room_writer.h"
#include "gateway/test_room.h"
#include "node/testing_stall.h"
#include "rpc/steady_time.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {
namespace {

using state::DocumentRole;

const std::string kSaved = yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved);
const std::string kRejected = yproto::EncodeSyncStatus(yproto::SyncStatus::kRejected);
constexpr char kOffersDrafts[] = R"({"drafts":"offer"})";

// --- Saved ---

TEST_F(RoomTest, NothingIsCalledSavedBeforeItsOutcomeIsKnown) {
  const Member editor = Join("ben", DocumentRole::kEditor);
  const Member viewer = Join("tom", DocumentRole::kViewer);
  OnShard([&] { room_->OnStateless(viewer.id, kOffersDrafts); });
  {
    node::TestingStall stalled(*node_);
    Write(editor);
    Write(viewer);
    // The status tells late what is committed, and at once what is applied: nothing, meanwhile.
    const Index before = node_->status().applied;
    ASSERT_TRUE(Becomes([&] { return node_->status().commit.value() >= before.value() + 2; }));
    OnShard([] {});  // Behind what has been posted.
    for (const Member& member : {editor, viewer}) {
      EXPECT_FALSE(member.ear->HasHeard(kSaved));
      EXPECT_FALSE(member.ear->HasHeard(kRejected));
      EXPECT_FALSE(member.ear->HasHeard(R"({"draft":)"));
    }
  }
  EXPECT_TRUE(editor.ear->AwaitHeard(kSaved));
  EXPECT_TRUE(viewer.ear->AwaitHeard(R"({"draft":1})"));
}

// As a page that is closed right after the last letter.
TEST_F(RoomTest, WhatCameIsWrittenAlsoWhenItsWriterHasGone) {
  const Member ben = Join("ben", DocumentRole::kEditor);
  {
    node::TestingStall stall(*node_);
    const std::uint64_t before = counters_.proposals.Get();
    Write(ben);
    ASSERT_TRUE(Becomes([&] { return counters_.proposals.Get() > before; }));
    Write(ben);  // Waits behind the first, which is on its way.
    OnShard([&] { room_->Leave(ben.id); });
  }
  EXPECT_TRUE(Becomes([&] { return Content() == "xx"; })) << Content();
}

TEST_F(RoomTest, WhoOwesTimeWritesWhenNothingIsOwedAnyMore) {
  const Member ben = Join("ben", DocumentRole::kEditor);
  const Member tom = Join("tom", DocumentRole::kEditor);
  const absl::Time charged_at = rpc::SteadyNow();
  // All of the allowance, and half a second's more.
  rates_.Charge("ben",
                absl::Seconds((rpc::CallRates::kBurstSeconds + 0.5) * rpc::CallRates::kBusyShare),
                charged_at);
  const absl::Duration debt = rates_.Debt("ben", charged_at);
  ASSERT_GT(debt, absl::Milliseconds(400));

  Write(ben);
  Write(tom);
  EXPECT_TRUE(tom.ear->AwaitHeard(kSaved));
  ASSERT_TRUE(ben.ear->AwaitHeard(kSaved));
  EXPECT_GE(rpc::SteadyNow() - charged_at, debt);
}

// It is written whole: who types for hours costs an entry a second, and not one for each letter.
TEST_F(RoomTest, ADraftIsSavedNoMoreOftenThanOnceInASecond) {
  const Member viewer = Join("ben", DocumentRole::kViewer);
  OnShard([&] { room_->OnStateless(viewer.id, kOffersDrafts); });
  const absl::Time begin = rpc::SteadyNow();
  Write(viewer);
  ASSERT_TRUE(viewer.ear->AwaitHeard(R"({"draft":1})"));
  for (int i = 0; i < 5; ++i) Write(viewer);
  ASSERT_TRUE(Becomes([&] { return counters_.drafts_saved.Get() == 6; }));
  const auto entries =
      static_cast<double>(counters_.proposals.Get() - counters_.proposals_repeated.Get());
  EXPECT_GE(rpc::SteadyNow() - begin, RoomWriter::kDraftEvery * (entries - 1));
  EXPECT_GT(entries, 1);
}

// --- Who may be here ---

TEST_F(RoomTest, ARoleThatChangedWhileItsUserWasOnTheWayHereIsTheOneThatCounts) {
  const rpc::Caller ben{.session = LoginAs("ben"), .user = "ben"};
  const Revision changed = revision_.Next();
  OnShard([&] { room_->SetRoles(changed, {{"ben", DocumentRole::kNone}}); });
  const Member expelled = Join(ben, DocumentRole::kEditor, revision_);
  EXPECT_TRUE(
      expelled.ear->HasHeard(yproto::EncodeDenied("you may not see this document any more")));
  const Member newer = Join(ben, DocumentRole::kEditor, changed.Next());
  EXPECT_TRUE(newer.ear->HasHeard(yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));
  OnShard([&] { room_->SetRoles(changed, {{"ben", DocumentRole::kNone}}); });  // Old news.
  EXPECT_FALSE(newer.ear->HasHeard("any more"));

  const Revision demoted = changed.Next().Next();
  OnShard([&] { room_->SetRoles(demoted, {{"ben", DocumentRole::kViewer}}); });
  const Member reader = Join(ben, DocumentRole::kEditor, changed.Next());
  EXPECT_TRUE(reader.ear->HasHeard(yproto::EncodeAuthenticated(yproto::Scope::kReadOnly)));
}

TEST_F(RoomTest, ThereAreSoManyMembersAtMost) {
  const auto crowd = std::make_shared<Ear>(shard_);
  const auto late = std::make_shared<Ear>(shard_);
  const auto join = [&](std::uint64_t id, const std::shared_ptr<Ear>& ear) {
    room_->Join({.id = id,
                 .socket = ear,
                 .prefix = {},
                 .caller = {.session = session_, .user = "ana"},
                 .role = DocumentRole::kOwner,
                 .revision = revision_,
                 .client = ClientId(id),
                 .entry = directory_->Enter(doc_, "ana")});
  };
  OnShard([&] {
    for (std::uint64_t id = kAna + 1; id <= kMembersPerRoomMax; ++id) join(id, crowd);
    EXPECT_EQ(room_->size(), kMembersPerRoomMax);
    join(kMembersPerRoomMax + 1, late);
    EXPECT_EQ(room_->size(), kMembersPerRoomMax);
  });
  EXPECT_EQ(late->AwaitClose(), CloseCode::kTryAgain);
  EXPECT_EQ(crowd->closed(), std::nullopt);

  OnShard([&] {
    room_->Leave(kMembersPerRoomMax);
    join(kMembersPerRoomMax + 2, crowd);
    EXPECT_EQ(room_->size(), kMembersPerRoomMax);
  });
}

// --- Who hears what ---

TEST_F(RoomTest, OfADraftItsUserAndTheOwnerHearAndNobodyElse) {
  const Member owner = Join({.session = session_, .user = "ana"}, DocumentRole::kOwner, revision_);
  const Member writer = Join("ben", DocumentRole::kViewer);
  const Member other = Join("tom", DocumentRole::kEditor);
  const Member stock = Join("ben", DocumentRole::kViewer);
  OnShard([&] {
    for (const Member& member : {owner, writer, other}) {
      room_->OnStateless(member.id, kOffersDrafts);
    }
    room_->DraftChanged(Revision(77), "ben");
  });
  const std::string notice = yproto::EncodeStateless(R"({"drafts":"77"})");
  EXPECT_TRUE(owner.ear->HasHeard(notice));
  EXPECT_TRUE(writer.ear->HasHeard(notice));
  EXPECT_FALSE(other.ear->HasHeard(notice));
  EXPECT_FALSE(stock.ear->HasHeard(notice)) << "it has not said that it shows drafts";
}

// Of a node that has ended without a word.
TEST_F(RoomTest, CursorsThatNobodyRenewsAreGoneAfterAWhile) {
  const yproto::AwarenessEntry cursor{.client = crdt::Client(9), .clock = 1, .state = "{}"};
  const yproto::AwarenessEntry gone{.client = crdt::Client(9), .clock = 1, .state = "null"};
  const auto message = [](const yproto::AwarenessEntry& entry) {
    return yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate({entry}));
  };
  const absl::Time now = rpc::SteadyNow();
  const absl::Duration silent = absl::Milliseconds(yproto::kSilentMsMax);
  OnShard([&] {
    room_->Receive(NodeId(2), {.doc = doc_, .entries = {{SessionId(99), cursor}}});
    room_->Tick(now + silent / 2);
  });
  EXPECT_TRUE(ear_->AwaitHeard(message(cursor)));
  EXPECT_FALSE(ear_->HasHeard(message(gone)));
  OnShard([&] { room_->Tick(rpc::SteadyNow() + silent); });
  EXPECT_TRUE(ear_->AwaitHeard(message(gone)));
}

// The other end of what a room asks when its first member comes.
TEST_F(RoomTest, AnotherNodeThatAsksWhoIsHereIsToldAtOnce) {
  OnShard([this] {
    room_->ShowGuest(
        {.session = SessionId(9), .entry = {.client = crdt::Client(5), .clock = 1, .state = "{}"}});
    room_->Tick(rpc::SteadyNow());
    const std::uint64_t told = counters_.gossip_sent.Get();

    room_->Receive(NodeId(2), {.kind = RoomGossip::Kind::kQuestion, .doc = doc_});

    EXPECT_EQ(counters_.gossip_sent.Get(), told + 1);
  });
}

}  // namespace
}  // namespace coterie::gateway
