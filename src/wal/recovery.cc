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

// A place in the log: the offset counts within the segment.
struct Place {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// What the records add up to so far. Entries before `base_` may have stood in segments that are
// gone. Behind a hole they are gathered apart, until it is known that nothing is missing.
class Replayer {
 public:
  explicit Replayer(Replayed& result) : result_(result) {}

  // False if the record contradicts what came before it.
  bool Apply(const RecordView& record, std::uint32_t version) {
    switch (record.type) {
      case RecordType::kCheckpoint:
        return ApplyCheckpoint(DecodeCheckpoint(record.body, version));
      case RecordType::kBatch:
        return ApplyBatch(DecodeBatch(record.body, version));
      case RecordType::kCompaction:
        return ApplyCompaction(DecodeCompaction(record.body));
    }
    return false;
  }

  // Records are damaged or missing up to `until`: a hole. What follows may not follow on what came
  // before.
  void OpenHole(std::string what, Place until) {
    recovered().damage.push_back({.first = next(), .what = std::move(what)});
    unaccounted_until_ = until;
    if (!is_behind_hole_) {
      is_behind_hole_ = true;
      epoch_before_hole_ = recovered().epoch;
      commit_before_hole_ = recovered().hard_state.commit;
    }
    tail().clear();
    tail_next_ = Index();
  }

  // Where the log is known to have gone on, though no record tells how far.
  void NoteLost(raft::LogPosition position) {
    recovered().last_known = std::max(recovered().last_known, position);
  }

  // There was more at the end, and nobody tells how much.
  void NoteMissingEnd() { is_end_missing_ = true; }

  // After the last record.
  void Finish(const std::optional<Root>& root) {
    raft::HardState& hard_state = recovered().hard_state;
    if (root) {
      NoteLost(root->last);
      // A vote that only one of the two remembers was cast, or was about to be: both bind.
      const raft::HardState& known = root->hard_state;
      const bool is_newer = known.term > hard_state.term;
      if (is_newer || (known.term == hard_state.term && hard_state.vote.IsNone())) {
        hard_state.term = known.term;
        hard_state.vote = known.vote;
        if (is_newer) hard_state.promised = known.promised;
      }
    }
    const Index snapshot = recovered().snapshot.last.index;
    if (!is_behind_hole_ && base_ > snapshot) {
      std::vector<raft::EntryRef> entries = std::exchange(recovered().entries, {});
      OpenHole("the segments that held the first entries are gone", {});
      recovered().damage.back().first = snapshot.Next();
      tail() = std::move(entries);
      base_ = snapshot;
    }
    NoteLost(recovered().snapshot.last);
    if (unaccounted_until_ && root && Place{root->sequence, root->end} >= *unaccounted_until_) {
      unaccounted_until_.reset();
    }
    if (is_end_missing_ || unaccounted_until_) {
      recovered().last_known = {.term = hard_state.term, .index = raft::kUnknownExtent};
    }
  }

 private:
  Recovered& recovered() { return result_.recovered; }
  const Recovered& recovered() const { return result_.recovered; }
  std::vector<raft::EntryRef>& tail() { return recovered().tail; }
  Index next() const { return base_ + (recovered().entries.size() + 1); }

  bool ApplyCheckpoint(std::optional<CheckpointBody> checkpoint) {
    if (!checkpoint) return false;
    if (is_first_ || checkpoint->is_full) {
      Restart(std::move(checkpoint->snapshot));
      if (!checkpoint->is_full) base_ = checkpoint->last;
    } else if (!is_behind_hole_ && checkpoint->last.Next() != next()) {
      OpenHole(absl::StrCat("entries up to ", checkpoint->last.value(), " are missing before it"),
               {});
    }
    is_first_ = false;
    recovered().hard_state = checkpoint->hard_state;
    if (std::exchange(unaccounted_until_, std::nullopt)) {
      // Of its term nothing is told; it was none that is yet to come.
      NoteLost({.term = checkpoint->hard_state.term, .index = checkpoint->last});
    }
    NoteEpoch(checkpoint->epoch);
    if (is_behind_hole_ && tail().empty()) tail_next_ = checkpoint->last.Next();
    return true;
  }

  // All before it is void, and with it whatever was missing.
  void Restart(SnapshotMark mark) {
    recovered().entries.clear();
    tail().clear();
    recovered().snapshot = std::move(mark);
    base_ = recovered().snapshot.last.index;
    is_behind_hole_ = false;
    unaccounted_until_.reset();
  }

  void NoteEpoch(Epoch epoch) {
    // A truncation may lie in the hole: only what was committed before it has surely stayed.
    if (is_behind_hole_ && epoch != epoch_before_hole_) KeepPrefix(commit_before_hole_);
    recovered().epoch = epoch;
  }

  bool ApplyBatch(std::optional<BatchBody> batch) {
    if (!batch) return false;
    NoteEpoch(batch->epoch);
    if (!batch->truncate_from.IsNone()) TruncateFrom(batch->truncate_from);
    if (!batch->entries.empty() && is_behind_hole_) {
      if (!tail().empty() && batch->entries.front().index != tail_next_) tail().clear();
    }
    for (raft::EntryRef& entry : batch->entries) {
      if (!is_behind_hole_ && entry.index != next()) return false;
      NoteLost(entry.position());
      (is_behind_hole_ ? tail() : recovered().entries).push_back(std::move(entry));
    }
    if (!batch->entries.empty()) {
      unaccounted_until_.reset();
      if (is_behind_hole_) tail_next_ = tail().back().index.Next();
      SegmentInfo& segment = result_.segments.back();
      segment.last = std::max(segment.last, recovered().last_known.index);
    }
    if (batch->hard_state) recovered().hard_state = *batch->hard_state;
    return true;
  }

  void TruncateFrom(Index from) {
    while (!tail().empty() && tail().back().index >= from) tail().pop_back();
    KeepPrefix(from.Previous());
    // They may have stood in segments that are gone.
    if (!is_behind_hole_ && from <= base_) base_ = from.Previous();
    for (SegmentInfo& segment : result_.segments) {
      segment.last = std::min(segment.last, from.Previous());
    }
  }

  // Of what came before any hole, only what is not behind `last`.
  void KeepPrefix(Index last) {
    const std::uint64_t kept =
        last <= base_ ? 0 : std::min<std::uint64_t>(last - base_, recovered().entries.size());
    recovered().entries.erase(recovered().entries.begin() + static_cast<std::ptrdiff_t>(kept),
                              recovered().entries.end());
  }

  bool ApplyCompaction(std::optional<CompactionBody> compaction) {
    if (!compaction) return false;
    recovered().hard_state = AtLeast(recovered().hard_state, compaction->snapshot);
    const Index mark = compaction->snapshot.last.index;
    NoteLost(compaction->snapshot.last);
    if (!compaction->keeps_suffix) {
      Restart(std::move(compaction->snapshot));
      for (SegmentInfo& segment : result_.segments) segment.last = Index();
      return true;
    }
    if (is_behind_hole_) return CompactBehindHole(std::move(compaction->snapshot));
    recovered().snapshot = std::move(compaction->snapshot);
    if (mark >= next()) {
      recovered().entries.clear();
      base_ = mark;
    } else if (mark > base_) {
      recovered().entries.erase(
          recovered().entries.begin(),
          recovered().entries.begin() + static_cast<std::ptrdiff_t>(mark - base_));
      base_ = mark;
    }
    return true;
  }

  // What is missing may have become needless.
  bool CompactBehindHole(SnapshotMark mark) {
    const Index index = mark.last.index;
    std::vector<raft::EntryRef> kept = std::exchange(tail(), {});
    std::erase_if(kept, [index](const raft::EntryRef& entry) { return entry.index <= index; });
    const bool is_whole =
        tail_next_ == index.Next() || (!kept.empty() && kept.front().index == index.Next());
    recovered().snapshot = mark;
    if (is_whole) {
      Restart(std::move(mark));
      recovered().entries = std::move(kept);
      return true;
    }
    // The prefix is before the mark, so it is needless, and the hole is behind it.
    recovered().entries.clear();
    base_ = index;
    tail() = std::move(kept);
    return true;
  }

  Replayed& result_;
  Index base_;  // entries[0] has the index behind this.
  bool is_first_ = true;
  bool is_behind_hole_ = false;
  // What is lost must be known at least by its extent: a node that may have acknowledged more than
  // it still has must not vote as if it had not (Recovered::last_known). Two things leave the
  // extent unknown. The log broke off at its end, so that any number of records may have followed:
  bool is_end_missing_ = false;
  // and a hole, up to this place, that nothing behind it has accounted for yet. Entries behind it
  // do, because what is lost before them is no newer than they are; and so does a checkpoint, which
  // says how far the log went. None = no such hole.
  std::optional<Place> unaccounted_until_;
  Epoch epoch_before_hole_;
  Index commit_before_hole_;
  Index tail_next_;  // None = anything.
};

struct OpenSegment {
  std::uint64_t sequence = 0;
  std::optional<SegmentHeader> header;  // Empty = damaged.
  std::string bytes;

  std::string Name() const { return absl::StrCat("segment ", SegmentName(sequence)); }
};

absl::StatusOr<OpenSegment> ReadSegment(io::Directory& directory, std::uint64_t sequence,
                                        const Identity& identity) {
  OpenSegment segment{.sequence = sequence};
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                   directory.Open(SegmentName(sequence), io::OpenMode::kMustExist));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
  ASSIGN_OR_RETURN(segment.bytes, file->Read(0, size));
  const absl::StatusOr<SegmentHeader> header = DecodeHeader(segment.bytes);
  if (absl::IsFailedPrecondition(header.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(segment.Name(), ": ", std::string(header.status().message())));
  }
  if (!header.ok()) return segment;
  if (header->identity != identity) {
    return absl::FailedPreconditionError(
        absl::StrCat(segment.Name(), " belongs to node ", header->identity.node.value(),
                     " of cluster ", header->identity.cluster_id,
                     ", or to another life of this one's disk: this data folder is not its own"));
  }
  // With another sequence it holds the bytes of another one.
  if (header->sequence == sequence) segment.header = *header;
  return segment;
}

// The next place behind `offset` where a record can be read, and whether any there says that
// `offset` had been durable.
struct Beyond {
  std::optional<std::uint64_t> next;
  bool was_synced = false;
};
Beyond LookBeyond(const OpenSegment& segment, std::uint64_t offset, const SegmentHeader& header) {
  const std::uint32_t seed = ChecksumSeed(header);
  Beyond beyond;
  for (std::uint64_t at = offset + kRecordAlignment; at < segment.bytes.size();) {
    const std::optional<RecordView> record = ReadRecord(segment.bytes, at, seed, header.version);
    if (!record) {
      at += kRecordAlignment;
      continue;
    }
    if (!beyond.next) beyond.next = at;
    beyond.was_synced = beyond.was_synced || record->synced_upto > offset;
    at += record->size_bytes;
  }
  return beyond;
}

std::uint64_t NonZeroEnd(std::string_view bytes, std::uint64_t from) {
  const std::size_t last = bytes.find_last_not_of('\0');
  return last == std::string_view::npos ? from : std::max<std::uint64_t>(from, last + 1);
}

// What is known of where the records of a segment end.
struct KnownEnd {
  std::optional<std::uint64_t> exact;  // A later segment says so.
  std::uint64_t at_least = 0;
  std::uint64_t filled = 0;  // A file never gets shorter: if it is, so much of it is gone.
  bool is_last = false;
};

// Reads all records of one segment that can be read, and opens holes where one cannot that was
// synced.
void ReplaySegment(const OpenSegment& segment, const KnownEnd& end, const Identity& identity,
                   Replayer& replayer, Replayed& result) {
  // A damaged header is known but for its version, in which only what was written first differs.
  const SegmentHeader header =
      segment.header.value_or(SegmentHeader{.identity = identity, .sequence = segment.sequence});
  const std::uint32_t seed = ChecksumSeed(header);
  if (!segment.header) {
    replayer.OpenHole(absl::StrCat(segment.Name(), ": the header is damaged"),
                      {segment.sequence, kSegmentHeaderBytes});
  }
  std::uint64_t offset = kSegmentHeaderBytes;
  while (!end.exact || offset < *end.exact) {
    const std::optional<RecordView> record =
        ReadRecord(segment.bytes, offset, seed, header.version);
    const bool is_checkpoint_due = offset == kSegmentHeaderBytes;
    if (record && is_checkpoint_due == (record->type == RecordType::kCheckpoint) &&
        replayer.Apply(*record, header.version)) {
      offset += record->size_bytes;
      result.segments.back().end = offset;
      continue;
    }
    // The first record is synced before the segment gets its name.
    const Beyond beyond = LookBeyond(segment, offset, header);
    const bool was_synced = is_checkpoint_due || record || end.exact || offset < end.at_least ||
                            beyond.was_synced || segment.bytes.size() < end.filled;
    if (!was_synced) {
      result.recovered.torn_bytes += NonZeroEnd(segment.bytes, offset) - offset;
      return;
    }
    const bool goes_on = beyond.next && (!end.exact || *beyond.next < *end.exact);
    replayer.OpenHole(
        absl::StrCat(segment.Name(), ", offset ", offset, ": a record that was synced is ",
                     record ? "out of place" : "damaged"),
        {segment.sequence, goes_on ? *beyond.next : end.exact.value_or(offset)});
    if (!goes_on) {
      // Behind it nobody tells how far the log went.
      if (end.is_last) replayer.NoteMissingEnd();
      return;
    }
    offset = *beyond.next;
  }
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
  ASSIGN_OR_RETURN(const std::optional<RootFile::Found> root, RootFile::Read(directory));
  Replayed result;
  if (root) {
    if (root->identity != identity) {
      return absl::FailedPreconditionError(
          "the log's root belongs to another node, or to another life of this one's disk");
    }
    result.root = root->root;
  }
  const std::uint64_t newest = result.root ? result.root->sequence : 0;
  Replayer replayer(result);
  std::optional<OpenSegment> segment;
  if (!sequences.empty()) {
    ASSIGN_OR_RETURN(segment, ReadSegment(directory, sequences.front(), identity));
  }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const bool is_last = i + 1 == sequences.size();
    std::optional<OpenSegment> following;
    if (!is_last) {
      ASSIGN_OR_RETURN(following, ReadSegment(directory, sequences[i + 1], identity));
    }
    KnownEnd end{.is_last = is_last};
    if (sequences[i] == newest) {
      end.at_least = result.root->end;
      end.filled = result.root->filled;
    }
    if (following && following->header && following->sequence == sequences[i] + 1) {
      end.exact = following->header->previous_end;
    }
    result.segments.push_back({.sequence = sequences[i]});
    ReplaySegment(*segment, end, identity, replayer, result);
    if (following && following->sequence != sequences[i] + 1) {
      replayer.OpenHole(absl::StrCat("segment ", SegmentName(sequences[i] + 1), " is missing"),
                        {following->sequence, 0});
    }
    segment = std::move(following);
  }
  if (newest > (sequences.empty() ? 0 : sequences.back())) {
    replayer.OpenHole(absl::StrCat("segment ", SegmentName(newest), ", the newest, is missing"),
                      {newest, 0});
    replayer.NoteMissingEnd();
  }
  replayer.Finish(result.root);
  return result;
}

}  // namespace coterie::wal
