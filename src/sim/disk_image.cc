#include "sim/disk_image.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/crc32c.h"
#include "runtime/status_macros.h"
#include "sim/server.h"
#include "wal/record.h"
#include "wal/recovery.h"
#include "wal/segment.h"

namespace coterie::sim {

std::uint64_t DigestOf(const raft::EntryRef& entry) {
  return (std::uint64_t{ComputeCrc32c(entry.payload.view())} << 8) ^
         static_cast<std::uint64_t>(entry.type);
}

absl::Status DiskImage::Look(const Disk& disk, Thoroughness thoroughness) {
  const bool is_same_disk = is_read_ && incarnation_ == disk.incarnation;
  const bool is_thorough = thoroughness == Thoroughness::kFromTheStart;
  if (is_same_disk && operations_ == disk.files->operations() && !is_thorough) {
    return absl::OkStatus();
  }
  operations_ = disk.files->operations();
  if (is_same_disk && !is_thorough && ReadOn(disk)) return absl::OkStatus();
  return ReadAll(disk);
}

bool DiskImage::Holds(const raft::EntryRef& entry) const {
  if (entry.index <= snapshot_) return true;
  const auto found = digests_.find(entry.index);
  return found != digests_.end() && terms_.at(entry.index) == entry.term &&
         found->second == DigestOf(entry);
}

absl::Status DiskImage::ReadAll(const Disk& disk) {
  *this = DiskImage();
  incarnation_ = disk.incarnation;
  operations_ = disk.files->operations();
  const std::unique_ptr<io::FaultyDirectory> files = disk.files->DurableImage();
  ASSIGN_OR_RETURN(
      const wal::Replayed replayed,
      wal::Replay(*files,
                  {.cluster_id = kClusterId, .node = disk.id, .incarnation = disk.incarnation}));
  is_read_ = true;
  hard_state_ = replayed.recovered.hard_state;
  snapshot_ = replayed.recovered.snapshot.last.index;
  snapshot_configuration_ = replayed.recovered.snapshot.configuration;
  for (const raft::EntryRef& entry : replayed.recovered.entries) Take(entry);
  // Behind damage nothing is added to what was found.
  if (replayed.segments.empty() || !replayed.recovered.damage.empty()) return absl::OkStatus();
  names_ = disk.files->DurableNames();
  segment_ = wal::SegmentName(replayed.segments.back().sequence);
  end_ = replayed.segments.back().end;
  return absl::OkStatus();
}

void DiskImage::Take(const raft::EntryRef& entry) {
  terms_[entry.index] = entry.term;
  digests_[entry.index] = DigestOf(entry);
  if (entry.type != raft::EntryType::kConfiguration) return;
  if (auto members = raft::DecodeConfiguration(entry.payload.view())) {
    members_[entry.index] = *std::move(members);
  }
}

bool DiskImage::ReadOn(const Disk& disk) {
  if (segment_.empty() || names_ != disk.files->DurableNames()) return false;
  const std::string& bytes = *disk.files->DurableContents(segment_);
  const absl::StatusOr<wal::SegmentHeader> header = wal::DecodeHeader(bytes);
  if (!header.ok()) return false;
  const std::uint32_t seed = wal::ChecksumSeed(*header);
  while (const auto record = wal::ReadRecord(bytes, end_, seed, header->version)) {
    if (record->type != wal::RecordType::kBatch) return false;
    const auto batch = wal::DecodeBatch(record->body, header->version);
    if (!batch) return false;
    if (batch->hard_state) hard_state_ = *batch->hard_state;
    if (!batch->truncate_from.IsNone()) {
      terms_.erase(terms_.lower_bound(batch->truncate_from), terms_.end());
      digests_.erase(digests_.lower_bound(batch->truncate_from), digests_.end());
      members_.erase(members_.lower_bound(batch->truncate_from), members_.end());
    }
    for (const raft::EntryRef& entry : batch->entries) Take(entry);
    end_ += record->size_bytes;
  }
  return true;
}

}  // namespace coterie::sim
