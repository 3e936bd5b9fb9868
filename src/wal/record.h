#pragma once

// The records of a segment: framing with a checksum, and the three bodies. A record is trusted when
// its checksum, which is seeded with the segment's identity, fits: one of another segment, node or
// cluster never does. Pure values; see format.md for the bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "raft/effects.h"
#include "raft/entry.h"
#include "wal/log.h"

namespace coterie::wal {

inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRecordHeaderBytes = 24;

enum class RecordType : std::uint8_t {
  kCheckpoint = 1,  // What must outlive the segments before this one; first in every segment.
  kBatch = 2,       // One AppendJob.
  kCompaction = 3,  // A new start of the log.
};

struct CheckpointBody {
  raft::HardState hard_state;
  SnapshotMark snapshot;
  Epoch epoch;
  Index last;  // Of the log when the segment began.
  // The segment holds all entries behind the snapshot: whatever came before it is void.
  bool is_full = false;
};

struct BatchBody {
  Epoch epoch;
  std::optional<raft::HardState> hard_state;
  Index truncate_from;
  std::vector<raft::EntryRef> entries;
};

struct CompactionBody {
  SnapshotMark snapshot;
  bool keeps_suffix = false;
};

// The hard state that `known` and `mark` prove together. The record of a new term may still be on
// its way when a snapshot from that term replaces the log; no vote of that term can have been told
// to anybody before it.
raft::HardState AtLeast(const raft::HardState& known, const SnapshotMark& mark);

// Where records are being written.
struct Place {
  std::uint32_t seed = 0;         // Of the segment.
  std::uint64_t offset = 0;       // Of the beginning of `out` in the segment.
  std::uint64_t synced_upto = 0;  // Below it everything in the segment is known to be durable.
};

// Appends one framed, padded record to `out`.
void AppendRecord(std::string& out, const Place& place, const CheckpointBody& body);
void AppendRecord(std::string& out, const Place& place, const raft::AppendJob& job);
void AppendRecord(std::string& out, const Place& place, const CompactionBody& body);

// An upper bound of what AppendRecord() adds for `job`.
std::size_t RecordBytesMax(const raft::AppendJob& job);

struct RecordView {
  RecordType type = RecordType::kBatch;
  std::uint64_t synced_upto = 0;
  std::string_view body;       // Into the segment's bytes.
  std::size_t size_bytes = 0;  // Framing and padding included.
};
// The record at `offset` of `segment`, or nothing if there is no whole and valid one that was
// written to that very place.
std::optional<RecordView> ReadRecord(std::string_view segment, std::size_t offset,
                                     std::uint32_t seed, std::uint32_t version);

// Nothing if malformed, which behind a valid checksum is damage or a newer version.
// `version`: of the segment that it stands in.
std::optional<CheckpointBody> DecodeCheckpoint(std::string_view body, std::uint32_t version);
std::optional<BatchBody> DecodeBatch(std::string_view body, std::uint32_t version);
std::optional<CompactionBody> DecodeCompaction(std::string_view body);

}  // namespace coterie::wal
