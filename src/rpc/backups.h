#pragma once

// Backups under way on this node, for whatever face: who may have one, how many there are at once,
// and the bytes of the file that backup/ describes, made of a frozen copy of the state. Any thread.

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backup/backup_file.h"
#include "node/node.h"
#include "rpc/gate.h"
#include "rpc/work_threads.h"

namespace coterie::rpc {

// One of them. The copy and its place are given back when it is destroyed.
class BackupRun {
 public:
  // A place among those that a node makes at once; given back when the last copy goes.
  using Place = std::shared_ptr<void>;

  BackupRun(Place place, SessionId session, node::StateBackup taken, std::uint64_t cluster_id);

  // Whose it is.
  SessionId session() const { return session_; }

  // The file's next piece, at most 256 KiB, from a disk; empty after the last one. Any thread, but
  // one at a time.
  absl::StatusOr<std::string> Next();

 private:
  enum class Part : std::uint8_t { kHead, kState, kTail, kEnd };

  const Place place_;
  const SessionId session_;
  const std::shared_ptr<node::StateCopy> copy_;
  backup::Encoder encoder_;
  Part part_ = Part::kHead;
  std::uint64_t offset_ = 0;
};

class Backups {
 public:
  // Each holds space on the disk: files that the store has replaced meanwhile.
  static constexpr int kAtOnceMax = 2;

  // All outlive it; `threads` may block.
  Backups(Gate& gate, node::Node& node, WorkThreads& threads)
      : gate_(gate), node_(node), threads_(threads) {}

  // Everything that was answered before is in it. `done` runs once, on any thread. What Admit()
  // says; kResourceExhausted: too many at once; kUnavailable.
  using Done = std::function<void(absl::StatusOr<std::shared_ptr<BackupRun>>)>;
  void Begin(std::string_view authorization, Done done);
  // Whether who began it may still have it.
  absl::Status Check(const BackupRun& run) const;
  // Next() on a thread that may wait for a disk; `done` runs there. What Check()
  // says; kUnavailable: the node stops.
  void ReadNext(const std::shared_ptr<BackupRun>& run,
                std::function<void(absl::StatusOr<std::string>)> done);

 private:
  void TakeCopy(BackupRun::Place place, SessionId session, Done done);
  // Null when all are taken.
  BackupRun::Place TakePlace();

  Gate& gate_;
  node::Node& node_;
  WorkThreads& threads_;
  const std::shared_ptr<std::atomic<int>> places_taken_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace coterie::rpc
