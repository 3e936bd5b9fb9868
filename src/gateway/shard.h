#pragma once

// One of the gateway's threads: sockets and rooms belong to exactly one and never move. Work from
// other threads is posted and runs in the order in which it was posted. Hides Asio from those who
// need no sockets.

#include <absl/time/time.h>

#include <functional>
#include <map>
#include <memory>
#include <thread>

namespace boost::asio {
class io_context;
}

namespace coterie::gateway {

class Shard {
 public:
  Shard();
  // Requires Stop(), or that it was never started.
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  void Start();
  // Runs what is posted, then joins the thread. What is posted later is not run.
  void Stop();
  // Drops all that would still run, and what it holds. That may be of other shards: all that know
  // of each other drop before the first is destroyed. Requires Stop(), or that it never started.
  void Drop();

  // --- The shard's thread ---
  // For what holds itself up while it lives, as a socket and its session do: `let_go` runs when the
  // shard drops, unless Forget() is called before. Runs on whatever thread drops.
  void AtDrop(const void* who, std::function<void()> let_go);
  void Forget(const void* who);

  // Any thread.
  void Post(std::function<void()> work);
  void PostAfter(absl::Duration pause, std::function<void()> work);
  bool IsCurrent() const { return thread_.get_id() == std::this_thread::get_id(); }

  boost::asio::io_context& io();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  std::map<const void*, std::function<void()>> at_drop_;
  std::jthread thread_;
};

}  // namespace coterie::gateway
