#include "wal/record.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "raft/configuration.h"
#include "wal/segment.h"

namespace coterie::wal {
namespace {

// Per entry: term, index, type and length as varints, at their longest.
constexpr std::size_t kEntryOverheadMax = 10 + 10 + 1 + 10;
constexpr std::size_t kBatchOverheadMax = kRecordHeaderBytes + kRecordAlignment + 128;

std::size_t Padded(std::size_t size) {
  return (size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

void Put32(std::string& out, std::size_t at, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out[at++] = static_cast<char>(value >> shift);
}

// crc u32, body length u32, type u8, own offset u56, synced_upto u64; then the body, then zeros.
// The offset tells a record from a stray copy of it.
void Frame(std::string& out, const Place& place, RecordType type, std::string_view body) {
  const std::size_t start = out.size();
  ByteWriter header;
  header.Fixed32(0);
  header.Fixed32(static_cast<std::uint32_t>(body.size()));
  header.U8(static_cast<std::uint8_t>(type));
  const std::uint64_t offset = place.offset + start;
  for (int shift = 0; shift < 56; shift += 8) {
    header.U8(static_cast<std::uint8_t>(offset >> shift));
  }
  header.Fixed64(place.synced_upto);
  out += header.view();
  out += body;
  const std::string_view covered = std::string_view(out).substr(start + 4);
  Put32(out, start, ExtendCrc32c(place.seed, covered));
  out.resize(start + Padded(out.size() - start), '\0');
}

void Write(ByteWriter& writer, const raft::HardState& hard_state) {
  writer.Id(hard_state.term);
  writer.Id(hard_state.vote);
  writer.Id(hard_state.commit);
  writer.Id(hard_state.promised.term);
  writer.Id(hard_state.promised.index);
}

raft::HardState ReadHardState(ByteReader& reader, std::uint32_t version) {
  raft::HardState hard_state{
      .term = reader.Id<Term>(), .vote = reader.Id<NodeId>(), .commit = reader.Id<Index>()};
  if (version == kFirstVersion) return hard_state;
  hard_state.promised.term = reader.Id<Term>();
  hard_state.promised.index = reader.Id<Index>();
  return hard_state;
}

void Write(ByteWriter& writer, const SnapshotMark& mark) {
  writer.Id(mark.last.term);
  writer.Id(mark.last.index);
  // A node that waits to be added has no configuration: an empty string.
  const bool has_configuration = !mark.configuration.voters.empty();
  writer.Bytes(has_configuration ? raft::EncodeConfiguration(mark.configuration) : "");
}

SnapshotMark ReadMark(ByteReader& reader) {
  SnapshotMark mark;
  mark.last.term = reader.Id<Term>();
  mark.last.index = reader.Id<Index>();
  const std::string_view bytes = reader.Bytes();
  if (bytes.empty()) return mark;
  std::optional<raft::Configuration> configuration = raft::DecodeConfiguration(bytes);
  if (configuration) {
    mark.configuration = *std::move(configuration);
  } else {
    reader.Fail();
  }
  return mark;
}

}  // namespace

raft::HardState AtLeast(const raft::HardState& known, const SnapshotMark& mark) {
  if (known.term >= mark.last.term) return known;
  return {.term = mark.last.term, .commit = known.commit, .promised = known.promised};
}

void AppendRecord(std::string& out, const Place& place, const CheckpointBody& body) {
  ByteWriter writer;
  Write(writer, body.hard_state);
  Write(writer, body.snapshot);
  writer.Id(body.epoch);
  writer.Id(body.last);
  writer.U8(body.is_full ? 1 : 0);
  Frame(out, place, RecordType::kCheckpoint, writer.view());
}

void AppendRecord(std::string& out, const Place& place, const raft::AppendJob& job) {
  ByteWriter writer;
  writer.Id(job.epoch);
  writer.U8(job.hard_state ? 1 : 0);
  if (job.hard_state) Write(writer, *job.hard_state);
  writer.Id(job.truncate_from);
  writer.Varint(job.entries.size());
  for (const raft::EntryRef& entry : job.entries) {
    writer.Id(entry.term);
    writer.Id(entry.index);
    writer.U8(static_cast<std::uint8_t>(entry.type));
    writer.Bytes(entry.payload.view());
  }
  Frame(out, place, RecordType::kBatch, writer.view());
}

void AppendRecord(std::string& out, const Place& place, const CompactionBody& body) {
  ByteWriter writer;
  Write(writer, body.snapshot);
  writer.U8(body.keeps_suffix ? 1 : 0);
  Frame(out, place, RecordType::kCompaction, writer.view());
}

std::size_t RecordBytesMax(const raft::AppendJob& job) {
  std::size_t bytes = kBatchOverheadMax;
  for (const raft::EntryRef& entry : job.entries) {
    bytes += kEntryOverheadMax + entry.payload.size_bytes();
  }
  return bytes;
}

std::optional<RecordView> ReadRecord(std::string_view segment, std::size_t offset,
                                     std::uint32_t seed, std::uint32_t version) {
  if (offset > segment.size()) return std::nullopt;
  ByteReader reader(segment.substr(offset));
  const std::uint32_t crc = reader.Fixed32();
  const std::uint32_t length = reader.Fixed32();
  const auto type = static_cast<RecordType>(reader.U8());
  std::uint64_t own_offset = 0;
  for (int shift = 0; shift < 56; shift += 8) own_offset |= std::uint64_t{reader.U8()} << shift;
  RecordView record{.type = type, .synced_upto = reader.Fixed64(), .body = reader.Raw(length)};
  if (own_offset != (version == kFirstVersion ? 0 : offset)) return std::nullopt;
  if (!reader.ok() || record.synced_upto > offset) return std::nullopt;
  if (type < RecordType::kCheckpoint || type > RecordType::kCompaction) return std::nullopt;
  record.size_bytes = Padded(kRecordHeaderBytes + length);
  if (record.size_bytes > segment.size() - offset) return std::nullopt;
  const std::string_view covered = segment.substr(offset + 4, kRecordHeaderBytes - 4 + length);
  if (ExtendCrc32c(seed, covered) != crc) return std::nullopt;
  return record;
}

std::optional<CheckpointBody> DecodeCheckpoint(std::string_view body, std::uint32_t version) {
  ByteReader reader(body);
  CheckpointBody checkpoint{.hard_state = ReadHardState(reader, version),
                            .snapshot = ReadMark(reader)};
  checkpoint.epoch = reader.Id<Epoch>();
  checkpoint.last = reader.Id<Index>();
  const std::uint8_t is_full = reader.U8();
  checkpoint.is_full = is_full == 1;
  if (!reader.AtEnd() || is_full > 1) return std::nullopt;
  return checkpoint;
}

std::optional<BatchBody> DecodeBatch(std::string_view body, std::uint32_t version) {
  ByteReader reader(body);
  BatchBody batch{.epoch = reader.Id<Epoch>()};
  const std::uint8_t has_hard_state = reader.U8();
  if (has_hard_state > 1) return std::nullopt;
  if (has_hard_state == 1) batch.hard_state = ReadHardState(reader, version);
  batch.truncate_from = reader.Id<Index>();
  const std::uint64_t count = reader.Varint();
  if (!reader.ok() || count > reader.remaining_bytes()) return std::nullopt;
  batch.entries.reserve(count);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    raft::EntryRef entry{.term = reader.Id<Term>(), .index = reader.Id<Index>()};
    entry.type = static_cast<raft::EntryType>(reader.U8());
    entry.payload = Blob(std::string(reader.Bytes()));
    if (entry.type > raft::EntryType::kConfiguration) return std::nullopt;
    if (entry.type == raft::EntryType::kConfiguration &&
        !raft::DecodeConfiguration(entry.payload.view())) {
      return std::nullopt;
    }
    if (!batch.entries.empty() && (entry.index != batch.entries.back().index.Next() ||
                                   entry.term < batch.entries.back().term)) {
      return std::nullopt;
    }
    batch.entries.push_back(std::move(entry));
  }
  if (!reader.AtEnd()) return std::nullopt;
  return batch;
}

std::optional<CompactionBody> DecodeCompaction(std::string_view body) {
  ByteReader reader(body);
  CompactionBody compaction{.snapshot = ReadMark(reader)};
  const std::uint8_t keeps_suffix = reader.U8();
  compaction.keeps_suffix = keeps_suffix == 1;
  if (!reader.AtEnd() || keeps_suffix > 1) return std::nullopt;
  return compaction;
}

}  // namespace coterie::wal
