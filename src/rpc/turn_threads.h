#pragma once

// A few threads for long work that blocks, shared by users who take turns: each has a few running
// and a few waiting at most, and who was served goes to the back of the round. So one that asks
// much waits behind itself. What an idle thread is about to take does not count as waiting. What
// nobody waits for any more leaves its place.

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace coterie::rpc {

class TurnThreads {
 public:
  struct Options {
    std::size_t threads;
    std::size_t running_per_user_max;
    std::size_t waiting_per_user_max;
    std::size_t waiting_max;  // Of all users.
  };
  struct Work {
    std::string user;
    // Then it is not run any more. Any thread; must not block.
    std::function<bool()> is_abandoned;
    // While it waits: its place has become this one, 1 = the next. May be empty. Any thread, with
    // the lock held, so that none comes late; must not block, nor call back.
    std::function<void(std::size_t place)> on_place = {};
    absl::AnyInvocable<void()> run;
  };
  enum class Taken : std::uint8_t { kYes, kUserHasEnough, kFull };

  explicit TurnThreads(const Options& options) : options_(options) {}
  ~TurnThreads() { Stop(); }
  TurnThreads(const TurnThreads&) = delete;
  TurnThreads& operator=(const TurnThreads&) = delete;

  void Start();
  // Runs what waits, then joins; nothing is taken on any more.
  void Stop();
  // Not kYes: refuse the call. Any thread.
  [[nodiscard]] Taken TryRun(Work work);

 private:
  struct Waiting {
    Work work;
    std::size_t told_place = 0;  // 0 = none.
  };
  struct User {
    std::size_t running = 0;
    std::deque<Waiting> waiting;
  };
  // Those whose place has changed are told.
  void TellPlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Run();
  bool HasNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The next in turn of those whose users may have one more running.
  std::optional<Work> TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many wait only until an idle thread has woken up.
  std::size_t AboutToRun(const User& user) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Work> TakeAbandoned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIfIdle(const std::string& user) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  // Each has something running or waiting.
  std::map<std::string, User> users_ ABSL_GUARDED_BY(mutex_);
  std::list<std::string> round_ ABSL_GUARDED_BY(mutex_);  // Those with something waiting.
  std::size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;       // Of all.
  std::size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;          // Threads that run nothing.
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coterie::rpc
