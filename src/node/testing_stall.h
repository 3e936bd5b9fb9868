#pragma once

// For tests: while it lives, nothing is applied on the node, so that what is committed has no
// outcome there. The node outlives it. Any thread but the apply thread.

#include <absl/status/statusor.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <memory>

#include "node/node.h"

namespace coterie::node {

class TestingStall {
 public:
  explicit TestingStall(Node& node) {
    absl::Notification has_begun;
    node.Read(
        Consistency::kStale, absl::InfiniteFuture(),
        [&has_begun, over = over_](const state::Machine&) {
          has_begun.Notify();
          over->WaitForNotification();
        },
        [](const absl::StatusOr<Revision>&) {});
    has_begun.WaitForNotification();
  }
  ~TestingStall() { over_->Notify(); }
  TestingStall(const TestingStall&) = delete;
  TestingStall& operator=(const TestingStall&) = delete;

 private:
  const std::shared_ptr<absl::Notification> over_ = std::make_shared<absl::Notification>();
};

}  // namespace coterie::node
