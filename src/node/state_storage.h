#pragma once

// Where the applied state lives on this node's disk, beside the log: a Kv that can be made durable,
// copied while it is in use, and replaced by a copy from another node. The real form is
// RocksStorage; a simulated one keeps bytes in memory.
//
// The life of a received snapshot, so that a crash at any point leaves either the old state or the
// new one: BeginInstall() empties the incoming place; Write() fills it; Seal() makes it durable and
// checks that it is whole; the log then records that it continues from there; Swap() makes it the
// state. Open() finishes a swap that a crash has interrupted, told by what the log says.
//
// Threads: kv() and Swap(): apply thread. Flush, copies and the incoming place: snapshot thread.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "state/kv.h"

namespace coterie::node {

// A frozen copy, readable as one stream of bytes. Any thread, but one at a time.
class StateCopy {
 public:
  virtual ~StateCopy() = default;
  virtual std::uint64_t total_bytes() const = 0;
  virtual absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) = 0;
  // The value of `key` inside the copy.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;
};

class StateStorage {
 public:
  virtual ~StateStorage() = default;

  // Opens the state. `log_start` is the index that the log continues from: if the state is older
  // and a sealed incoming snapshot is there, that becomes the state first.
  // kDataLoss: the state is damaged.
  [[nodiscard]] virtual absl::Status Open(Index log_start) = 0;
  // Puts a damaged state aside, so that the next Open() begins with an empty one.
  [[nodiscard]] virtual absl::Status Discard() = 0;
  virtual state::Kv& kv() = 0;

  [[nodiscard]] virtual absl::Status Flush() = 0;
  virtual absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const = 0;
  virtual absl::StatusOr<std::unique_ptr<StateCopy>> Copy() = 0;

  [[nodiscard]] virtual absl::Status BeginInstall() = 0;
  [[nodiscard]] virtual absl::Status Write(std::string_view bytes) = 0;
  [[nodiscard]] virtual absl::Status Seal() = 0;
  // Of the sealed incoming snapshot.
  virtual absl::StatusOr<std::optional<std::string>> GetIncoming(std::string_view key) const = 0;
  [[nodiscard]] virtual absl::Status Swap() = 0;

  virtual std::uint64_t size_bytes() const = 0;

  // On a disk that fills up; any thread. What it may yet write of what it was given, at most:
  virtual std::uint64_t wanted_bytes() const = 0;
  // It waits for room. What is committed meanwhile is in memory, and is read from there.
  virtual bool lacks_room() const = 0;
  // The process ends: it waits for no room any more, and nothing more is committed.
  virtual void StopWaiting() = 0;
};

}  // namespace coterie::node
