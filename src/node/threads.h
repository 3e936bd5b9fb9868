#pragma once

// The threads of a node: the only place in this room that starts any. Each runs one pump of the
// replica until it is told to stop.

#include <atomic>
#include <thread>
#include <vector>

#include "node/replica.h"

namespace coterie::node {

class Threads {
 public:
  // Starts pumping; `replica` outlives this.
  explicit Threads(Replica& replica);
  // Closes the replica, joins the threads and answers who still waits.
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  using Pump = bool (Replica::*)(absl::Duration);
  void Run(Pump pump, const char* name);

  Replica& replica_;
  std::atomic<bool> is_stopping_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace coterie::node
