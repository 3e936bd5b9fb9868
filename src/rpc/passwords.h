#pragma once

// Argon2id, by libsodium, on a few threads of its own: a hash takes tens of milliseconds and 19 MiB
// (OWASP's parameters: 19 MiB, t = 2), which no gRPC or apply thread may spend, and nobody may make
// the node spend without bound. sodium_init() must have run.

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace coterie::rpc {

inline constexpr std::size_t kPasswordBytesMax = 1'024;

// kResourceExhausted: no memory. Blocks; any thread.
absl::StatusOr<std::string> HashPassword(std::string_view password);
// False for an empty or malformed hash, too, after as long a time. Blocks; any thread.
bool VerifyPassword(std::string_view hash, std::string_view password);

class PasswordThreads {
 public:
  static constexpr std::size_t kThreads = 2;
  static constexpr std::size_t kQueuedMax = 64;

  PasswordThreads() = default;
  ~PasswordThreads() { Stop(); }
  PasswordThreads(const PasswordThreads&) = delete;
  PasswordThreads& operator=(const PasswordThreads&) = delete;

  void Start();
  // Runs what is queued, then joins; nothing is taken on any more.
  void Stop();
  // False when too many wait: refuse the login. Any thread.
  [[nodiscard]] bool TryRun(absl::AnyInvocable<void()> work);

 private:
  void Run();

  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coterie::rpc
