#pragma once

// The links between the nodes of a cluster of real processes, which a test can cut, in one
// direction or both, and make slow: nodes reach each other through a proxy in this process, which
// knows by the kernel's tables whose connection it is. What comes over a cut link waits, as on a
// network that loses packets and a TCP that sends them again; a link that is healed goes on where
// it was, or its connections have ended meanwhile. Knows no more of what is said than the bytes.
// Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace coterie::tests {

class LinkProxy {
 public:
  LinkProxy();
  ~LinkProxy();
  LinkProxy(const LinkProxy&) = delete;
  LinkProxy& operator=(const LinkProxy&) = delete;

  // Whoever connects to `address` ("127.0.0.1:PORT") reaches node `id` at `target`.
  void Serve(std::uint64_t id, const std::string& address, const std::string& target);
  // Connections of that process are the node's.
  void SetProcess(std::uint64_t id, pid_t process);

  // One direction: what `from` says no longer comes to `to`.
  void Cut(std::uint64_t from, std::uint64_t to);
  void CutBothWays(std::uint64_t a, std::uint64_t b);
  // All links are whole again.
  void Heal();
  // Of every link.
  void SetDelay(absl::Duration delay);

  // Bytes that have passed so far.
  std::uint64_t bytes() const;

 private:
  struct Door {
    std::uint64_t id = 0;
    std::string target;
    int socket = -1;
  };
  struct Piece {
    absl::Time due;
    std::string bytes;
  };
  // One direction of a connection.
  struct Way {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    int source = -1;
    int target = -1;
    std::deque<Piece> waiting;
    std::size_t waiting_bytes = 0;
    bool is_ended = false;
  };
  struct Connection {
    Way forth;
    Way back;
  };

  void Run();
  void Accept(const Door& door) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Read(Way& way, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(Way& way, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsCut(const Way& way) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasEnded(const Way& way) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint64_t WhoseIs(int socket) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::list<Door> doors_ ABSL_GUARDED_BY(mutex_);
  std::list<Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::map<std::uint64_t, pid_t> processes_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<std::uint64_t, std::uint64_t>> cuts_ ABSL_GUARDED_BY(mutex_);
  absl::Duration delay_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace coterie::tests
