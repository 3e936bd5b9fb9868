// Opening documents on a node that cannot know what is in them now: it has heard of no leader.

#include "gateway/rooms.h"

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "gateway/limits.h"
#include "gateway/test_node.h"
#include "rpc/call_rates.h"
#include "rpc/node_calls.h"

namespace coterie::gateway {
namespace {

class LonelyRoomsTest : public RoomNodeTest {
 protected:
  LonelyRoomsTest()
      : RoomNodeTest(node::kPeerVersionNewest,
                     {{.id = NodeId(1), .address = "x:1", .client_address = "x:2"},
                      {.id = NodeId(2), .address = "y:1", .client_address = "y:2"},
                      {.id = NodeId(3), .address = "z:1", .client_address = "z:2"}}) {}
};

// What it would say of it may be long past: a document that was deleted, a role that was taken.
TEST_F(LonelyRoomsTest, NoDocumentIsOpenedFromAStateThatMayBeOld) {
  rpc::CallRates rates(0);
  const rpc::NodeCalls calls(*node_, rates);
  Rooms rooms(calls, {&shard_}, counters_, kEventBytesMax);
  absl::Mutex mutex;
  std::optional<absl::Status> answer;
  rooms.Open({.session = SessionId(1), .user = "ana"}, "notes", IfMissing::kFail,
             [&](const absl::StatusOr<Rooms::Opened>& opened) {
               absl::MutexLock lock(&mutex);
               answer = opened.status();
             });
  absl::Notification is_read;  // Behind what the apply thread has been asked before.
  node_->Read(
      node::Consistency::kStale, absl::InfiniteFuture(), [](const state::Machine&) {},
      [&](const absl::StatusOr<Revision>& read) {
        EXPECT_TRUE(read.ok()) << read.status();
        is_read.Notify();
      });
  is_read.WaitForNotification();
  {
    absl::MutexLock lock(&mutex);
    EXPECT_FALSE(answer && !absl::IsUnavailable(*answer)) << *answer;
  }

  Stop();
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(answer && absl::IsUnavailable(*answer)) << answer.value_or(absl::OkStatus());
}

}  // namespace
}  // namespace coterie::gateway
