#include "wal/log.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "runtime/status_macros.h"
#include "wal/record.h"
#include "wal/recovery.h"
#include "wal/root.h"
#include "wal/segment.h"

namespace coterie::wal {
namespace {

// How much is written between two looks at the free space.
constexpr std::uint64_t kFreeSpaceIntervalBytes = 16 << 20;
// A log that fills less than this part of a segment is written anew when it is opened, so that
// restarts do not pile up segments that are almost empty.
constexpr std::uint64_t kRewriteFraction = 4;
// Entries per record when it is.
constexpr std::size_t kRewriteEntries = 256;

}  // namespace

class Log::Impl {
 public:
  Impl(io::Directory& directory, const Identity& identity, const Options& options)
      : directory_(directory), identity_(identity), options_(options), root_(directory, identity) {}

  absl::StatusOr<Recovered> Open();
  absl::Status Mend(const raft::HardState& hard_state, const SnapshotMark& mark,
                    const std::vector<raft::EntryRef>& entries);
  absl::Status Rest();
  absl::Status Append(const std::vector<raft::AppendJob>& jobs);
  absl::Status Compact(const SnapshotMark& mark, Keep keep);
  bool HasRoom(std::uint64_t wanted_besides) const;
  void LookAtDisk() { written_since_look_ = kFreeSpaceIntervalBytes; }
  std::uint64_t size_bytes() const;
  void CheckInvariants() const;

 private:
  absl::Status Guard(absl::Status status);
  absl::Status MayLackRoom(absl::Status status);
  absl::Status AppendAll(const std::vector<raft::AppendJob>& jobs);
  absl::Status CompactTo(const SnapshotMark& mark, Keep keep);
  absl::Status StartFresh(const Recovered& recovered);
  absl::Status StartMended(const std::vector<raft::EntryRef>& entries);
  absl::Status WriteRoot();
  // A segment with room for `bytes` more than its first record.
  absl::Status Roll(std::uint64_t bytes, const std::vector<raft::EntryRef>* rewrite = nullptr);
  absl::Status Reserve(std::uint64_t bytes);
  absl::Status WriteBuffer();
  absl::Status Sync();
  absl::Status Forget(const SnapshotMark& mark, Keep keep);
  absl::Status RemoveNeedless();
  absl::Status FillAhead();
  void Note(const raft::AppendJob& job);
  std::uint64_t offset() const { return segments_.back().end; }
  Place Here() const { return {.seed = seed_, .offset = offset(), .synced_upto = synced_upto_}; }
  bool HasSegment() const { return file_ != nullptr; }

  io::Directory& directory_;
  const Identity identity_;
  const Options options_;
  absl::Status failure_;     // The first one; nothing is written after it.
  bool lacks_room_ = false;  // Nothing has failed but for want of room, before any sync.
  std::size_t noted_ = 0;    // Jobs of an Append() that is to be called again: in the buffer, or
                             // written.

  std::vector<SegmentInfo> segments_;  // The last one is written to.
  std::uint64_t newest_sequence_ = 0;  // Ever used.
  RootFile root_;
  std::unique_ptr<io::File> file_;  // Of that one.
  std::uint64_t capacity_ = 0;      // Records go up to here,
  std::uint64_t filled_ = 0;        // and there are zeros up to here.
  std::uint32_t seed_ = 0;
  std::uint64_t synced_upto_ = 0;
  std::string buffer_;  // Records on their way to the file; keeps its capacity.

  // What a checkpoint says.
  raft::HardState hard_state_;
  SnapshotMark snapshot_;
  Epoch epoch_;
  Index last_;
  Term last_term_;

  mutable std::uint64_t free_bytes_ = 0;
  mutable std::uint64_t written_since_look_ = kFreeSpaceIntervalBytes;
};

// --- Opening ---

absl::StatusOr<Recovered> Log::Impl::Open() {
  ASSIGN_OR_RETURN(Replayed replayed, Replay(directory_, identity_));
  segments_ = std::move(replayed.segments);
  newest_sequence_ = segments_.empty() ? 0 : segments_.back().sequence;
  if (replayed.root) newest_sequence_ = std::max(newest_sequence_, replayed.root->sequence);
  // A damaged log is left as it is, until its owner knows what it should hold.
  epoch_ = replayed.recovered.epoch;
  if (!replayed.recovered.damage.empty()) return std::move(replayed.recovered);
  RETURN_IF_ERROR(StartFresh(replayed.recovered));
  return std::move(replayed.recovered);
}

// Always goes on in a new segment: what is torn at the end of the last one can never come back.
absl::Status Log::Impl::StartFresh(const Recovered& recovered) {
  hard_state_ = recovered.hard_state;
  snapshot_ = recovered.snapshot;
  epoch_ = recovered.epoch;
  last_ = recovered.entries.empty() ? snapshot_.last.index : recovered.entries.back().index;
  last_term_ = recovered.entries.empty() ? snapshot_.last.term : recovered.entries.back().term;
  std::uint64_t live_bytes = 0;
  for (const raft::EntryRef& entry : recovered.entries) live_bytes += entry.size_bytes();
  if (live_bytes > options_.segment_bytes / kRewriteFraction) return Roll(0);
  RETURN_IF_ERROR(Roll(live_bytes, &recovered.entries));
  return RemoveNeedless();
}

absl::Status Log::Impl::Mend(const raft::HardState& hard_state, const SnapshotMark& mark,
                             const std::vector<raft::EntryRef>& entries) {
  if (!failure_.ok()) return failure_;
  hard_state_ = AtLeast(hard_state, mark);
  snapshot_ = mark;
  ++epoch_;
  last_ = entries.empty() ? mark.last.index : entries.back().index;
  last_term_ = entries.empty() ? mark.last.term : entries.back().term;
  CHECK(entries.empty() || entries.front().index == mark.last.index.Next());
  return Guard(StartMended(entries));
}

absl::Status Log::Impl::StartMended(const std::vector<raft::EntryRef>& entries) {
  std::uint64_t bytes = 0;
  for (const raft::EntryRef& entry : entries) bytes += entry.size_bytes();
  RETURN_IF_ERROR(Roll(bytes, &entries));
  return RemoveNeedless();
}

// --- Writing ---

absl::Status Log::Impl::WriteRoot() {
  return root_.Write({.sequence = segments_.back().sequence,
                      .end = synced_upto_,
                      .filled = filled_,
                      .last = {.term = last_term_, .index = last_},
                      .hard_state = hard_state_});
}

absl::Status Log::Impl::Rest() {
  if (!failure_.ok()) return failure_;
  const std::optional<Root>& root = root_.written();
  const bool is_known =
      root && root->sequence == segments_.back().sequence && root->end == synced_upto_;
  return is_known ? absl::OkStatus() : Guard(WriteRoot());
}

absl::Status Log::Impl::Guard(absl::Status status) {
  if (!status.ok() && !std::exchange(lacks_room_, false)) failure_ = status;
  return status;
}

// Of a write, or of what comes before a draft has its name. What it left lies behind all that was
// ever synced, and the same bytes will be written there again; a sync that fails is another matter.
absl::Status Log::Impl::MayLackRoom(absl::Status status) {
  lacks_room_ = absl::IsResourceExhausted(status);
  if (lacks_room_) free_bytes_ = 0;
  return status;
}

absl::Status Log::Impl::Append(const std::vector<raft::AppendJob>& jobs) {
  if (!failure_.ok()) return failure_;
  return Guard(AppendAll(jobs));
}

absl::Status Log::Impl::AppendAll(const std::vector<raft::AppendJob>& jobs) {
  CHECK(HasSegment());
  CHECK(noted_ <= jobs.size());
  for (; noted_ < jobs.size(); ++noted_) {
    const raft::AppendJob& job = jobs[noted_];
    RETURN_IF_ERROR(Reserve(RecordBytesMax(job)));
    AppendRecord(buffer_, Here(), job);
    Note(job);
  }
  RETURN_IF_ERROR(WriteBuffer());
  RETURN_IF_ERROR(Sync());
  noted_ = 0;
  // A vote or a promise must outlive damage to the one record that holds it.
  const raft::HardState& known = root_.written()->hard_state;
  if (known.term != hard_state_.term || known.vote != hard_state_.vote ||
      known.promised != hard_state_.promised) {
    RETURN_IF_ERROR(WriteRoot());
  }
  return FillAhead();
}

void Log::Impl::Note(const raft::AppendJob& job) {
  epoch_ = job.epoch;
  if (job.hard_state) hard_state_ = *job.hard_state;
  if (!job.truncate_from.IsNone()) {
    last_ = std::min(last_, job.truncate_from.Previous());
    last_term_ = Term();  // Not known; its entries follow at once, or it does not matter.
    for (SegmentInfo& segment : segments_) segment.last = std::min(segment.last, last_);
  }
  if (job.entries.empty()) return;
  CHECK(job.entries.front().index == last_.Next());
  last_ = job.entries.back().index;
  last_term_ = job.entries.back().term;
  segments_.back().last = std::max(segments_.back().last, last_);
}

absl::Status Log::Impl::Reserve(std::uint64_t bytes) {
  if (offset() + buffer_.size() + bytes <= capacity_) return absl::OkStatus();
  RETURN_IF_ERROR(WriteBuffer());
  RETURN_IF_ERROR(Sync());
  return Roll(bytes);
}

absl::Status Log::Impl::WriteBuffer() {
  if (buffer_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(MayLackRoom(file_->Write(offset(), buffer_)));
  segments_.back().end += buffer_.size();
  written_since_look_ += buffer_.size();
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status Log::Impl::Sync() {
  RETURN_IF_ERROR(file_->Sync());
  synced_upto_ = offset();
  return absl::OkStatus();
}

absl::Status Log::Impl::Roll(std::uint64_t bytes, const std::vector<raft::EntryRef>* rewrite) {
  const SegmentHeader header{.identity = identity_,
                             .sequence = newest_sequence_ + 1,
                             .previous_end = segments_.empty() ? 0 : offset()};
  const std::uint32_t seed = ChecksumSeed(header);
  SegmentInfo segment{.sequence = header.sequence};
  std::string head = EncodeHeader(header);
  AppendRecord(head, {.seed = seed},
               CheckpointBody{.hard_state = hard_state_,
                              .snapshot = snapshot_,
                              .epoch = epoch_,
                              .last = last_,
                              .is_full = rewrite != nullptr});
  for (std::size_t i = 0; rewrite != nullptr && i < rewrite->size(); i += kRewriteEntries) {
    const std::size_t end = std::min(rewrite->size(), i + kRewriteEntries);
    raft::AppendJob job{.epoch = epoch_};
    job.entries.assign(rewrite->begin() + static_cast<std::ptrdiff_t>(i),
                       rewrite->begin() + static_cast<std::ptrdiff_t>(end));
    AppendRecord(head, {.seed = seed}, job);
    segment.last = last_;
  }
  // Larger than usual for a batch that is.
  const std::uint64_t capacity =
      std::max<std::uint64_t>(options_.segment_bytes, head.size() + bytes);
  const std::uint64_t zeros =
      std::min<std::uint64_t>(options_.fill_ahead_bytes, capacity - head.size());
  absl::StatusOr<std::unique_ptr<io::File>> draft = DraftSegment(directory_, head, zeros);
  RETURN_IF_ERROR(MayLackRoom(draft.status()));
  RETURN_IF_ERROR(PublishSegment(directory_, header.sequence));
  file_ = *std::move(draft);
  seed_ = seed;
  capacity_ = capacity;
  filled_ = head.size() + zeros;
  segment.end = head.size();
  // A full one makes all before it needless.
  if (rewrite != nullptr) {
    for (SegmentInfo& old : segments_) old.last = Index();
  }
  segments_.push_back(segment);
  newest_sequence_ = header.sequence;
  synced_upto_ = segment.end;
  written_since_look_ = kFreeSpaceIntervalBytes;
  // Before anything in it is acknowledged.
  return WriteRoot();
}

// After the append, so that nobody waits for it but the next.
absl::Status Log::Impl::FillAhead() {
  if (filled_ >= capacity_ ||
      filled_ - std::min(filled_, offset()) > options_.fill_ahead_bytes / 2) {
    return absl::OkStatus();
  }
  const std::uint64_t end =
      std::min<std::uint64_t>(capacity_, std::max(filled_, offset()) + options_.fill_ahead_bytes);
  const absl::Status filled = FillWithZeros(*file_, std::max(filled_, offset()), end);
  if (absl::IsResourceExhausted(filled)) return absl::OkStatus();  // Only saves the next one time.
  RETURN_IF_ERROR(filled);
  RETURN_IF_ERROR(file_->Sync());
  filled_ = end;
  return WriteRoot();
}

// --- Compacting ---

absl::Status Log::Impl::Compact(const SnapshotMark& mark, Keep keep) {
  if (!failure_.ok()) return failure_;
  return Guard(CompactTo(mark, keep));
}

absl::Status Log::Impl::CompactTo(const SnapshotMark& mark, Keep keep) {
  CHECK(HasSegment());
  CHECK(noted_ == 0 && buffer_.empty());  // No Append() is to be called again.
  if (IsMutant(17)) RETURN_IF_ERROR(Forget(mark, keep));
  const CompactionBody body{.snapshot = mark, .keeps_suffix = keep == Keep::kSuffix};
  std::string draft;  // To know its size: making room for it may begin another segment.
  AppendRecord(draft, Here(), body);
  RETURN_IF_ERROR(Reserve(draft.size()));
  AppendRecord(buffer_, Here(), body);
  const absl::Status written = WriteBuffer();
  buffer_.clear();
  RETURN_IF_ERROR(written);
  // Before anything that it makes needless is gone.
  if (!IsMutant(16)) RETURN_IF_ERROR(Sync());
  return Forget(mark, keep);
}

absl::Status Log::Impl::Forget(const SnapshotMark& mark, Keep keep) {
  snapshot_ = mark;
  hard_state_ = AtLeast(hard_state_, mark);
  if (keep == Keep::kNothing || mark.last.index > last_) {
    last_ = mark.last.index;
    last_term_ = mark.last.term;
    for (SegmentInfo& segment : segments_) segment.last = Index();
  }
  return RemoveNeedless();
}

// From the oldest on, so that the sequence stays without a gap.
absl::Status Log::Impl::RemoveNeedless() {
  bool has_removed = false;
  const auto is_needless = [this](const SegmentInfo& segment) {
    return segment.last <= snapshot_.last.index && segment.sequence != segments_.back().sequence;
  };
  while (is_needless(segments_.front())) {
    auto gone = segments_.begin();
    while (IsMutant(12) && is_needless(*std::next(gone))) ++gone;  // From the newest on.
    RETURN_IF_ERROR(directory_.Remove(SegmentName(gone->sequence)));
    // Each removal durable before the next: a crash must not leave a gap.
    RETURN_IF_ERROR(directory_.Sync());
    segments_.erase(gone);
    has_removed = true;
  }
  if (has_removed) written_since_look_ = kFreeSpaceIntervalBytes;
  return absl::OkStatus();
}

// --- Looking ---

bool Log::Impl::HasRoom(std::uint64_t wanted_besides) const {
  const std::uint64_t wanted = options_.reserve_bytes + wanted_besides;
  if (written_since_look_ >= kFreeSpaceIntervalBytes || free_bytes_ <= wanted) {
    // A disk that cannot say how full it is will say so when it is written to.
    free_bytes_ = directory_.FreeBytes().value_or(wanted + 1);
    written_since_look_ = 0;
  }
  return free_bytes_ > wanted;
}

std::uint64_t Log::Impl::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const SegmentInfo& segment : segments_) bytes += segment.end;
  return bytes;
}

void Log::Impl::CheckInvariants() const {
  if (!HasSegment()) return;
  CHECK(synced_upto_ <= offset());
  CHECK(offset() <= capacity_);
  CHECK(snapshot_.last.index <= last_);
  for (std::size_t i = 1; i < segments_.size(); ++i) {
    CHECK(segments_[i].sequence > segments_[i - 1].sequence);
  }
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

absl::StatusOr<Log::Opened> Log::Open(io::Directory& directory, const Identity& identity,
                                      const Options& options) {
  auto impl = std::make_unique<Impl>(directory, identity, options);
  ASSIGN_OR_RETURN(Recovered recovered, impl->Open());
  return Opened{.log = std::unique_ptr<Log>(new Log(std::move(impl))),
                .recovered = std::move(recovered)};
}

absl::Status Log::Mend(const raft::HardState& hard_state, const SnapshotMark& mark,
                       const std::vector<raft::EntryRef>& entries) {
  return impl_->Mend(hard_state, mark, entries);
}
absl::Status Log::Rest() { return impl_->Rest(); }
absl::Status Log::Append(const std::vector<raft::AppendJob>& jobs) { return impl_->Append(jobs); }
absl::Status Log::Compact(const SnapshotMark& mark, Keep keep) {
  return impl_->Compact(mark, keep);
}
bool Log::HasRoom(std::uint64_t wanted_besides) const { return impl_->HasRoom(wanted_besides); }
void Log::LookAtDisk() { impl_->LookAtDisk(); }
std::uint64_t Log::size_bytes() const { return impl_->size_bytes(); }
void Log::CheckInvariants() const { impl_->CheckInvariants(); }

}  // namespace coterie::wal
