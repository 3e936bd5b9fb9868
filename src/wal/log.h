#pragma once

// The write-ahead log of one node: hard state and entries in checksummed batches, in pre-zeroed
// segments. It is the only durable home of an entry until the state machine has flushed it, and an
// acknowledgement rests on it. The bytes are described in wal/format.md.
//
// Write errors: any failed write or sync of the log returns an error after which the Log must be
// thrown away and the process stopped (FatalIo in node/); it is never retried. But for one: a write
// that finds no room (kResourceExhausted) has touched nothing that was ever synced. The same call
// may be made again until there is room; no other before it. HasRoom() is there to not let it come
// to that.
// Owner: the log thread. Source: shared experience listed in docs/architecture.md.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "io/file.h"
#include "raft/configuration.h"
#include "raft/effects.h"
#include "raft/entry.h"

namespace coterie::wal {

// Who this disk belongs to; written into every segment and mixed into every checksum.
struct Identity {
  std::uint64_t cluster_id = 0;
  NodeId node;
  Incarnation incarnation;
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct Options {
  std::size_t segment_bytes = 64 << 20;
  std::size_t fill_ahead_bytes = 1 << 20;   // How far behind the end there are zeros already.
  std::uint64_t reserve_bytes = 256 << 20;  // HasRoom() is false when less is free.
};

// A hole in what was once synced: never cut off silently.
struct Damage {
  Index first;       // Of the entries that may be missing.
  std::string what;  // Segment, offset, which check failed.
};

// The snapshot that the log continues from.
struct SnapshotMark {
  raft::LogPosition last;
  raft::Configuration configuration;
};

struct Recovered {
  raft::HardState hard_state;
  SnapshotMark snapshot;
  std::vector<raft::EntryRef> entries;  // Contiguous from snapshot.last.index + 1.
  Epoch epoch;
  std::uint64_t torn_bytes = 0;  // Cut off the tail: written, never synced, never acknowledged.
  std::vector<Damage> damage;    // Empty on a healthy disk. Else `entries` end before the first,
  // `tail` are the entries behind the last, contiguous, if any,
  std::vector<raft::EntryRef> tail;
  // and this is the highest position that the disk is known to have held, with an index of
  // kUnknownExtent if there may have been more.
  raft::LogPosition last_known;
};

class Log {
 public:
  struct Opened;

  // Opens or creates the log in `directory`, which outlives it. kFailedPrecondition: it belongs to
  // another node or cluster, or has a format we do not know. Damage is reported in
  // Recovered::damage; then nothing on the disk has been changed, and Mend() comes first.
  static absl::StatusOr<Opened> Open(io::Directory& directory, const Identity& identity,
                                     const Options& options);
  ~Log();

  // Writes the log anew: from now on it holds `hard_state`, and `entries` behind `mark`, and
  // nothing of what was there. After any crash it is either the old log or the new one.
  [[nodiscard]] absl::Status Mend(const raft::HardState& hard_state, const SnapshotMark& mark,
                                  const std::vector<raft::EntryRef>& entries);

  // Writes the jobs as one batch each, then syncs once for all. When it returns OK all are durable.
  // kResourceExhausted: none is; the next call is to be this one again, with the same jobs.
  [[nodiscard]] absl::Status Append(const std::vector<raft::AppendJob>& jobs);

  // Records durably that the log now continues from `mark`. The entries up to it are forgotten; if
  // `keep` is kNothing, those behind it too (a snapshot from a leader replaces all: scylla #9551).
  // Segments that hold nothing needed are recycled only after the record is durable.
  enum class Keep : std::uint8_t { kSuffix, kNothing };
  [[nodiscard]] absl::Status Compact(const SnapshotMark& mark, Keep keep);

  // When nothing is being written: makes it provable that all that was synced has been, so that
  // damage at the very end is told from what was never finished. Does nothing if that is so
  // already.
  [[nodiscard]] absl::Status Rest();

  // Whether the disk has room for at least reserve_bytes and what is wanted besides. Asked before
  // proposals are accepted. It looks at the disk when much has been written since it last did, or
  // there was no room then;
  bool HasRoom(std::uint64_t wanted_besides = 0) const;
  // after this, in any case: others fill disks, too.
  void LookAtDisk();
  std::uint64_t size_bytes() const;

  void CheckInvariants() const;

 private:
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct Log::Opened {
  std::unique_ptr<Log> log;
  Recovered recovered;
};

}  // namespace coterie::wal
