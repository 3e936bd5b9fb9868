// What a room sends of the changes that it hears, and when: a room with one member on a real node,
// which is handed changes as the apply thread would.

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
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
namespace {

// Keeps the changes that it is sent.
class Ear final : public Socket {
 public:
  explicit Ear(Shard& shard) : shard_(shard) {}
  Shard& shard() override { return shard_; }
  Credit Hold(std::size_t /*bytes*/) override { return nullptr; }
  void Send(const Blob& /*prefix*/, const Blob& body) override {
    crdt::Lib0Reader reader(body.view());
    yproto::Message message;
    CHECK(!yproto::ReadMessage(reader, message));
    const auto* sync = std::get_if<yproto::Sync>(&message);
    if (sync == nullptr) return;
    absl::MutexLock lock(&mutex_);
    if (sync->step == yproto::SyncStep::kAnswer) is_answered_ = true;
    if (sync->step != yproto::SyncStep::kUpdate) return;
    ++messages_;
    CHECK(!text_.Apply(sync->payload));
  }
  void Close(CloseCode /*code*/, const std::string& reason) override { ADD_FAILURE() << reason; }
  void Resume() override {}
  void Trust() override {}

  void AwaitAnswer() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_answered_));
  }
  // How many messages brought it.
  int Await(std::size_t letters) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&] {
      return crdt::Text(text_, text_.Root("text")).size().utf16 >= letters;
    };
    mutex_.Await(absl::Condition(&is_there));
    return messages_;
  }

 private:
  Shard& shard_;
  absl::Mutex mutex_;
  bool is_answered_ = false;
  int messages_ = 0;
  crdt::Doc text_{{.garbage = crdt::Garbage::kCollect}};
};

class RoomPublishTest : public RoomNodeTest {
 protected:
  RoomPublishTest() {
    session_ = LoginAs("ana");
    const state::Outcome created = Do(session_, state::CreateDocument{.name = "notes"});
    doc_ = created.doc;
    revision_ = created.revision;
    OpenRoom();
  }
  ~RoomPublishTest() override {
    OnShard([this] { room_.reset(); });
    Stop();
  }

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
      room_->Join({.id = 1,
                   .socket = ear_,
                   .prefix = {},
                   .caller = {.session = session_, .user = "ana"},
                   .role = state::DocumentRole::kOwner,
                   .revision = revision_,
                   .client = ClientId(1),
                   .entry = directory_->Enter(doc_, "ana")});
      room_->OnSync(1, yproto::SyncStep::kAsk, std::string(1, '\0'), nullptr);
    });
    ear_->AwaitAnswer();  // It is loaded.
  }
  // A letter of an editor of its own.
  Room::Changed Next() {
    crdt::Doc page({.garbage = crdt::Garbage::kCollect});
    crdt::Transaction transaction(page, crdt::Client(1'000 + ++letters_));
    crdt::Text(page, page.Root("text")).Insert(transaction, 0, "x");
    const Revision previous = std::exchange(revision_, revision_.Next());
    return {.revision = revision_,
            .previous = previous,
            .update = Blob(transaction.Commit().update),
            .heard_at = rpc::SteadyNow()};
  }
  // Each in a turn of its own, one right after the other.
  void Hear(std::size_t count) {
    absl::BlockingCounter left(static_cast<int>(count));
    const std::function<void()> hear = [&] {
      room_->Handle(Next());
      if (--count > 0) shard_.Post(hear);  // Behind what the change has posted.
      left.DecrementCount();
    };
    shard_.Post(hear);
    left.Wait();
  }

  rpc::CallRates rates_{0};
  std::shared_ptr<RoomDirectory> directory_ = std::make_shared<RoomDirectory>();
  std::shared_ptr<Ear> ear_ = std::make_shared<Ear>(shard_);
  std::shared_ptr<Room> room_;
  SessionId session_;
  DocId doc_;
  Revision revision_;
  std::uint64_t letters_ = 0;
};

TEST_F(RoomPublishTest, WhileCommitsWaitForNothingChangesAreSentAsTheyCome) {
  OnShard([this] { lag_.Note(absl::Milliseconds(1), rpc::SteadyNow()); });
  Hear(8);
  EXPECT_EQ(ear_->Await(8), 8);
}

TEST_F(RoomPublishTest, WhereCommitsWaitForEachOtherAFewAreSentAsTheyComeAndTheOthersAsOne) {
  OnShard([this] {
    lag_.Note(absl::Milliseconds(1), rpc::SteadyNow());
    for (int i = 0; i < 100; ++i) lag_.Note(absl::Seconds(1), rpc::SteadyNow());
  });
  Hear(8);
  EXPECT_EQ(ear_->Await(8), WindowPace::kBurst + 1);
}

}  // namespace
}  // namespace coterie::gateway
