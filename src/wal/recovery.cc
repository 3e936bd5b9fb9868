#include "wal/recovery.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "runtime/status_macros.h"
#include "wal/record.h"
#include "wal/segment.h"

namespace coterie::wal {
namespace {

// What the records add up to so far. Entries before `base_` may have stood in segments that are
// gone.
class Replayer {
 public:
  explicit Replayer(Replayed& result) : result_(result) {}

  // False if the record contradicts what came before it.
  bool Apply(const RecordView& record) {
    switch (record.type) {
      case RecordType::kCheckpoint:
        return ApplyCheckpoint(DecodeCheckpoint(record.body));
      case RecordType::kBatch:
        return ApplyBatch(DecodeBatch(record.body));
      case RecordType::kCompaction:
        return ApplyCompaction(DecodeCompaction(record.body));
    }
    return false;
  }

  Index next() const { return base_ + (recovered().entries.size() + 1); }

  // Whether nothing is missing between the snapshot and the first entry.
  void Finish() {
    const Index snapshot = recovered().snapshot.last.index;
    if (base_ > snapshot) {
      recovered().damage.push_back({.first = snapshot.Next(),
                                    .last = base_,
                                    .what = "the segments that held them are gone"});
    }
  }

 private:
  Recovered& recovered() { return result_.recovered; }
  const Recovered& recovered() const { return result_.recovered; }

  bool ApplyCheckpoint(std::optional<CheckpointBody> checkpoint) {
    if (!checkpoint) return false;
    const bool is_first = result_.segments.size() == 1;
    if (is_first || checkpoint->is_full) {
      recovered().entries.clear();
      recovered().snapshot = std::move(checkpoint->snapshot);
      base_ = checkpoint->is_full ? recovered().snapshot.last.index : checkpoint->last;
    }
    recovered().hard_state = checkpoint->hard_state;
    recovered().epoch = checkpoint->epoch;
    return true;
  }

  bool ApplyBatch(std::optional<BatchBody> batch) {
    if (!batch) return false;
    recovered().epoch = batch->epoch;
    if (!batch->truncate_from.IsNone()) TruncateFrom(batch->truncate_from);
    for (raft::EntryRef& entry : batch->entries) {
      if (entry.index != next()) return false;
      recovered().entries.push_back(std::move(entry));
    }
    if (!batch->entries.empty()) {
      SegmentInfo& segment = result_.segments.back();
      segment.last = std::max(segment.last, next().Previous());
    }
    if (batch->hard_state) recovered().hard_state = *batch->hard_state;
    return true;
  }

  void TruncateFrom(Index from) {
    if (from <= base_) {
      recovered().entries.clear();
      base_ = from.Previous();
    } else {
      const std::uint64_t kept =
          std::min<std::uint64_t>(from - base_ - 1, recovered().entries.size());
      recovered().entries.erase(recovered().entries.begin() + static_cast<std::ptrdiff_t>(kept),
                                recovered().entries.end());
    }
    for (SegmentInfo& segment : result_.segments) {
      segment.last = std::min(segment.last, from.Previous());
    }
  }

  bool ApplyCompaction(std::optional<CompactionBody> compaction) {
    if (!compaction) return false;
    const Index mark = compaction->snapshot.last.index;
    recovered().snapshot = std::move(compaction->snapshot);
    recovered().hard_state = AtLeast(recovered().hard_state, recovered().snapshot);
    if (!compaction->keeps_suffix || mark >= next()) {
      recovered().entries.clear();
      base_ = mark;
      if (!compaction->keeps_suffix) {
        for (SegmentInfo& segment : result_.segments) segment.last = Index();
      }
    } else if (mark > base_) {
      recovered().entries.erase(
          recovered().entries.begin(),
          recovered().entries.begin() + static_cast<std::ptrdiff_t>(mark - base_));
      base_ = mark;
    }
    return true;
  }

  Replayed& result_;
  Index base_;  // entries[0] has the index behind this.
};

struct OpenSegment {
  SegmentHeader header;
  std::string bytes;
};

absl::StatusOr<OpenSegment> ReadSegment(io::Directory& directory, std::uint64_t sequence,
                                        const Identity& identity) {
  const std::string name = SegmentName(sequence);
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                   directory.Open(name, io::OpenMode::kMustExist));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
  OpenSegment segment;
  ASSIGN_OR_RETURN(segment.bytes, file->Read(0, size));
  absl::StatusOr<SegmentHeader> header = DecodeHeader(segment.bytes);
  if (!header.ok()) {
    return absl::Status(
        header.status().code(),
        absl::StrCat("segment ", name, ": ", std::string(header.status().message())));
  }
  segment.header = *header;
  if (segment.header.identity != identity) {
    return absl::FailedPreconditionError(absl::StrCat(
        "segment ", name, " belongs to node ", segment.header.identity.node.value(), " of cluster ",
        segment.header.identity.cluster_id, ": this data folder is another node's"));
  }
  if (segment.header.sequence != sequence) {
    return absl::DataLossError(absl::StrCat("segment ", name, " holds the bytes of another one"));
  }
  return segment;
}

// Looks behind a record that cannot be read for one that can.
struct Beyond {
  bool was_synced = false;  // Some later record says that `offset` had been durable.
  Index last;               // The highest index that later records speak of.
};
Beyond LookBeyond(const OpenSegment& segment, std::uint64_t offset, std::uint32_t seed) {
  Beyond beyond;
  for (std::uint64_t at = offset + kRecordAlignment; at < segment.bytes.size();) {
    const std::optional<RecordView> record = ReadRecord(segment.bytes, at, seed);
    if (!record) {
      at += kRecordAlignment;
      continue;
    }
    beyond.was_synced = beyond.was_synced || record->synced_upto > offset;
    if (const auto batch = DecodeBatch(record->body);
        record->type == RecordType::kBatch && batch && !batch->entries.empty()) {
      beyond.last = std::max(beyond.last, batch->entries.back().index);
    }
    at += record->size_bytes;
  }
  return beyond;
}

std::uint64_t NonZeroEnd(std::string_view bytes, std::uint64_t from) {
  const std::size_t last = bytes.find_last_not_of('\0');
  return last == std::string_view::npos ? from : std::max<std::uint64_t>(from, last + 1);
}

// Reads the records of one segment. `valid_end`: where they end for certain, if a later segment
// says so. False if damage was found: what follows must not be replayed.
bool ReplaySegment(const OpenSegment& segment, std::optional<std::uint64_t> valid_end,
                   Replayer& replayer, Replayed& result) {
  const std::uint32_t seed = ChecksumSeed(segment.header);
  std::uint64_t offset = kSegmentHeaderBytes;
  std::uint64_t synced = 0;
  const auto damage = [&](Index last, std::string_view what) {
    result.recovered.damage.push_back(
        {.first = replayer.next(),
         .last = std::max(last, replayer.next()),
         .what = absl::StrCat("segment ", SegmentName(segment.header.sequence), ", offset ", offset,
                              ": ", std::string(what))});
    return false;
  };
  while (!valid_end || offset < *valid_end) {
    const std::optional<RecordView> record = ReadRecord(segment.bytes, offset, seed);
    if (!record) break;
    const bool is_checkpoint_due = offset == kSegmentHeaderBytes;
    if (is_checkpoint_due != (record->type == RecordType::kCheckpoint)) {
      return damage(Index(), "a record stands where it must not");
    }
    if (!replayer.Apply(*record)) return damage(Index(), "a record that makes no sense");
    synced = std::max(synced, record->synced_upto);
    offset += record->size_bytes;
  }
  result.segments.back().end = offset;
  if (valid_end) {
    if (offset == *valid_end) return true;
    return damage(LookBeyond(segment, offset, seed).last, "a record that was synced is not whole");
  }
  // The first record is synced before the segment gets its name.
  if (offset == kSegmentHeaderBytes) return damage(Index(), "the first record is not whole");
  const Beyond beyond = LookBeyond(segment, offset, seed);
  if (beyond.was_synced) return damage(beyond.last, "a record that was synced is not whole");
  result.recovered.torn_bytes = NonZeroEnd(segment.bytes, offset) - offset;
  return true;
}

absl::StatusOr<std::vector<std::uint64_t>> ListSegments(io::Directory& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.List());
  std::vector<std::uint64_t> sequences;
  for (const std::string& name : names) {
    if (const auto sequence = SegmentSequence(name)) sequences.push_back(*sequence);
  }
  std::ranges::sort(sequences);
  return sequences;
}

}  // namespace

absl::StatusOr<Replayed> Replay(io::Directory& directory, const Identity& identity) {
  ASSIGN_OR_RETURN(const std::vector<std::uint64_t> sequences, ListSegments(directory));
  Replayed result;
  if (sequences.empty()) return result;
  Replayer replayer(result);
  std::optional<OpenSegment> segment;
  { ASSIGN_OR_RETURN(segment, ReadSegment(directory, sequences.front(), identity)); }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    std::optional<OpenSegment> following;
    if (i + 1 < sequences.size()) {
      if (sequences[i + 1] != sequences[i] + 1) {
        return absl::DataLossError(
            absl::StrCat("segment ", SegmentName(sequences[i] + 1), " is missing from the log"));
      }
      ASSIGN_OR_RETURN(following, ReadSegment(directory, sequences[i + 1], identity));
    }
    result.segments.push_back({.sequence = sequences[i]});
    const std::optional<std::uint64_t> valid_end =
        following ? std::optional(following->header.previous_end) : std::nullopt;
    if (!ReplaySegment(*segment, valid_end, replayer, result)) return result;
    segment = std::move(following);
  }
  replayer.Finish();
  return result;
}

}  // namespace coterie::wal
