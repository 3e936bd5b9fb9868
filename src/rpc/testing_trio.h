#pragma once

// For tests: a cluster of three real nodes, whose servers and streams to each other are real. One
// of them can be cut off from the others until their logs begin behind what it has, so that it is
// given a snapshot while it has subscribers and sockets. One thread.

#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <vector>

#include "rpc/testing_node.h"

namespace coterie::rpc {

// Waits until `is_true`, looking every few milliseconds; false after 20 s.
bool Becomes(const std::function<bool()>& is_true);

class TestingTrio {
 public:
  // Waits for a leader.
  TestingTrio();
  ~TestingTrio();
  TestingTrio(const TestingTrio&) = delete;
  TestingTrio& operator=(const TestingTrio&) = delete;

  // The one that may be cut off.
  TestingNode& away() { return *nodes_.back(); }
  // One of the others, the leader.
  TestingNode& home() { return *nodes_.front(); }

  // Cuts `away` off, does `meanwhile`, and lets it in again when nobody else has what it lacks in
  // the log. When this returns it has installed a snapshot, and everything that `home` had.
  void JumpOver(const std::function<void()>& meanwhile);

 private:
  class Links;
  class Link;
  // Waits until it leads.
  void AwaitHome();
  // Has the others' logs begin behind `last`.
  void ForgetThrough(Index last);

  const std::unique_ptr<Links> links_;
  std::vector<std::unique_ptr<TestingNode>> nodes_;
  std::unique_ptr<TestingClient> writer_;  // At home, of a document of its own.
  std::uint64_t written_ = 0;
};

}  // namespace coterie::rpc
