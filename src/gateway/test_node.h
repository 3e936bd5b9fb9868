#pragma once

// For tests of what a room is made of: one real node, a shard, and what a room's parts are given.

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "gateway/commit_lag.h"
#include "gateway/counters.h"
#include "gateway/shard.h"
#include "node/node.h"
#include "rpc/peer_streams.h"

namespace coterie::gateway {

class RoomNodeTest : public testing::Test {
 protected:
  using Members = std::vector<raft::Member>;
  explicit RoomNodeTest(std::uint8_t version = node::kPeerVersionNewest,
                        const Members& founders = {
                            {.id = NodeId(1), .address = "x:1", .client_address = "x:2"}}) {
    folder_ = (std::filesystem::temp_directory_path() / "coterie-room-XXXXXX").string();
    CHECK(mkdtemp(folder_.data()) != nullptr);
    absl::StatusOr<std::unique_ptr<node::Node>> node =
        node::Node::Start({.data_path = folder_,
                           .id = NodeId(1),
                           .cluster_id = 7,
                           .founders = founders,
                           .peer_address = "x:1",
                           .client_address = "x:2",
                           .peer_version_newest = version},
                          peers_);
    CHECK(node.ok());
    node_ = *std::move(node);
    shard_.Start();
  }
  // Requires Stop().
  ~RoomNodeTest() override {
    CHECK(node_ == nullptr);
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  // In the destructor of who derives: nothing calls into its members any more.
  void Stop() {
    node_.reset();
    shard_.Stop();
  }

  state::Outcome Do(SessionId session, state::CommandBody body) {
    std::promise<state::Outcome> outcome;
    node_->Propose({.session = session, .body = std::move(body)}, absl::Now() + absl::Seconds(20),
                   [&](const absl::StatusOr<state::Outcome>& answer) {
                     CHECK(answer.ok());
                     outcome.set_value(*answer);
                   });
    return outcome.get_future().get();
  }
  SessionId LoginAs(const std::string& user) {
    return Do({}, state::Login{.user = user,
                               .create_user = true,
                               .token_hash = std::string(32, 't'),
                               .lifetime_ms = 1'000'000})
        .session;
  }
  void OnShard(const std::function<void()>& work) {
    absl::BlockingCounter left(1);
    shard_.Post([&] {
      work();
      left.DecrementCount();
    });
    left.Wait();
  }
  // Waits until `is_true`, looking every few milliseconds.
  template <class Condition>
  static bool Becomes(Condition is_true) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    const absl::Notification never;
    while (!is_true()) {
      if (absl::Now() > end) return false;
      never.WaitForNotificationWithTimeout(absl::Milliseconds(5));
    }
    return true;
  }

  std::string folder_;
  rpc::PeerStreams peers_{7, NodeId(1), grpc::InsecureChannelCredentials()};
  Shard shard_;
  Counters counters_;
  CommitLag lag_;
  std::unique_ptr<node::Node> node_;
};

}  // namespace coterie::gateway
