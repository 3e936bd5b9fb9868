#pragma once

// For tests of a room: one with one member on a real node, which hears what it is handed and
// nothing else, and sockets that keep what they are sent.

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "gateway/room.h"
#include "gateway/test_node.h"
#include "rpc/call_rates.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {

class Ear final : public Socket {
 public:
  // More than anything here takes, also on a machine that does something else.
  static constexpr absl::Duration kPatience = absl::Seconds(20);

  explicit Ear(Shard& shard) : shard_(shard) {}
  Shard& shard() override { return shard_; }
  Credit Hold(std::size_t /*bytes*/) override { return nullptr; }
  void Send(const Blob& /*prefix*/, const Blob& body) override {
    absl::MutexLock lock(&mutex_);
    heard_.emplace_back(body.view());
    if (body.view().front() != kSync) return;
    crdt::Lib0Reader reader(body.view());
    yproto::Message message;
    CHECK(!yproto::ReadMessage(reader, message));
    const auto& sync = std::get<yproto::Sync>(message);
    if (sync.step == yproto::SyncStep::kAnswer) is_answered_ = true;
    if (sync.step != yproto::SyncStep::kUpdate) return;
    ++updates_;
    CHECK(!text_.Apply(sync.payload));
  }
  void Close(CloseCode code, const std::string& /*reason*/) override {
    absl::MutexLock lock(&mutex_);
    closed_ = code;
  }
  void Resume() override {}
  void Trust() override {}

  [[nodiscard]] bool AwaitAnswer() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&is_answered_), kPatience);
  }
  // How many messages brought it.
  int Await(std::size_t letters) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&] {
      return crdt::Text(text_, text_.Root("text")).size().utf16 >= letters;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&is_there), kPatience));
    return updates_;
  }
  // A message with that in it.
  [[nodiscard]] bool AwaitHeard(std::string_view part) {
    absl::MutexLock lock(&mutex_);
    const auto is_heard = [&] { return IndexOf(part).has_value(); };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_heard), kPatience);
  }
  [[nodiscard]] bool HasHeard(std::string_view part) {
    absl::MutexLock lock(&mutex_);
    return IndexOf(part).has_value();
  }
  void Forget() {
    absl::MutexLock lock(&mutex_);
    heard_.clear();
  }
  std::vector<std::string> heard() {
    absl::MutexLock lock(&mutex_);
    return heard_;
  }
  std::optional<CloseCode> AwaitClose() {
    absl::MutexLock lock(&mutex_);
    const auto is_closed = [&] { return closed_.has_value(); };
    mutex_.AwaitWithTimeout(absl::Condition(&is_closed), kPatience);
    return closed_;
  }
  std::optional<CloseCode> closed() {
    absl::MutexLock lock(&mutex_);
    return closed_;
  }

 private:
  static constexpr char kSync = '\0';
  std::optional<std::size_t> IndexOf(std::string_view part) const {
    const auto found = std::find_if(heard_.begin(), heard_.end(), [&](const std::string& message) {
      return message.find(part) != std::string::npos;
    });
    if (found == heard_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - heard_.begin());
  }

  Shard& shard_;
  absl::Mutex mutex_;
  bool is_answered_ = false;
  int updates_ = 0;
  std::vector<std::string> heard_;
  std::optional<CloseCode> closed_;
  crdt::Doc text_{{.garbage = crdt::Garbage::kCollect}};
};

class RoomTest : public RoomNodeTest {
 protected:
  RoomTest() {
    session_ = LoginAs("ana");
    const state::Outcome created = Do(session_, state::CreateDocument{.name = "notes"});
    doc_ = created.doc;
    revision_ = created.revision;
    OpenRoom();
  }
  ~RoomTest() override {
    EXPECT_EQ(ear_->closed(), std::nullopt);
    OnShard([this] { room_.reset(); });
    Stop();
  }

  // With the document's owner as its only member, on y-websocket.
  void OpenRoom() {
    OnShard([this] {
      room_ = std::make_shared<Room>(Room::Options{.node = *node_,
                                                   .shard = shard_,
                                                   .counters = counters_,
                                                   .rates = rates_,
                                                   .lag = lag_,
                                                   .doc = doc_,
                                                   .directory = directory_,
                                                   .entry = directory_->Enter(doc_, {})});
      room_->Join({.id = kAna,
                   .socket = ear_,
                   .prefix = {},
                   .caller = {.session = session_, .user = "ana"},
                   .role = state::DocumentRole::kOwner,
                   .revision = revision_,
                   .client = ClientId(1),
                   .entry = directory_->Enter(doc_, "ana")});
      room_->OnSync(kAna, yproto::SyncStep::kAsk, std::string(1, '\0'), nullptr);
    });
    ASSERT_TRUE(ear_->AwaitAnswer());  // It is loaded.
  }
  // One more, on Hocuspocus, with a session of its own.
  struct Member {
    std::uint64_t id = 0;
    std::shared_ptr<Ear> ear;
  };
  Member Join(const std::string& user, state::DocumentRole role) {
    return Join({.session = LoginAs(user), .user = user}, role, revision_);
  }
  Member Join(const rpc::Caller& caller, state::DocumentRole role, Revision revision) {
    Member member{.id = ++members_, .ear = std::make_shared<Ear>(shard_)};
    OnShard([&] {
      room_->Join({.id = member.id,
                   .protocol = Protocol::kHocuspocus,
                   .socket = member.ear,
                   .prefix = {},
                   .caller = caller,
                   .role = role,
                   .revision = revision,
                   .client = ClientId(member.id),
                   .entry = directory_->Enter(doc_, caller.user)});
    });
    return member;
  }
  void Write(const Member& member) {
    OnShard([&] { room_->OnSync(member.id, yproto::SyncStep::kUpdate, Type("x"), nullptr); });
  }
  // By an editor of its own.
  std::string Type(const std::string& text) {
    crdt::Doc page({.garbage = crdt::Garbage::kCollect});
    crdt::Transaction transaction(page, crdt::Client(1'000 + ++editors_));
    crdt::Text(page, page.Root("text")).Insert(transaction, 0, text);
    return transaction.Commit().update;
  }
  // Of the document, as this node has applied it.
  std::string Content() {
    std::promise<std::string> text;
    node_->Read(
        node::Consistency::kStale, absl::InfiniteFuture(),
        [&](const state::Machine& state) {
          crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
          CHECK(!doc.Apply(state.UpdateAt(doc_, Revision(), {}).value()));
          text.set_value(crdt::Text(doc, doc.Root("text")).ToString());
        },
        [](const absl::StatusOr<Revision>&) {});
    return text.get_future().get();
  }
  // As the apply thread would hand it on, if the log had it.
  Room::Changed Next(const std::string& text = "x") {
    const Revision previous = std::exchange(revision_, revision_.Next());
    return {.revision = revision_,
            .previous = previous,
            .update = Blob(Type(text)),
            .heard_at = rpc::SteadyNow()};
  }

  static constexpr std::uint64_t kAna = 1;
  rpc::CallRates rates_{1'000};
  std::shared_ptr<RoomDirectory> directory_ = std::make_shared<RoomDirectory>();
  std::shared_ptr<Ear> ear_ = std::make_shared<Ear>(shard_);  // Of the owner.
  std::shared_ptr<Room> room_;
  SessionId session_;
  DocId doc_;
  Revision revision_;
  std::uint64_t members_ = kAna;
  std::uint64_t editors_ = 0;
};

}  // namespace coterie::gateway
