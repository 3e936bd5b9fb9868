#include "wal/testing/version_1.h"

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "wal/record.h"
#include "wal/segment.h"

namespace coterie::wal::testing {
namespace {

constexpr std::size_t kZerosBehind = 512;

void Write(ByteWriter& out, const raft::HardState& hard_state) {
  out.Id(hard_state.term);
  out.Id(hard_state.vote);
  out.Id(hard_state.commit);
}

void Frame(std::string& out, std::uint32_t seed, RecordType type, std::string_view body) {
  ByteWriter covered;
  covered.Fixed32(static_cast<std::uint32_t>(body.size()));
  covered.U8(static_cast<std::uint8_t>(type));
  covered.Raw(std::string(7, '\0'));
  covered.Fixed64(0);  // Nothing is known to be synced.
  covered.Raw(body);
  ByteWriter record;
  record.Fixed32(ExtendCrc32c(seed, covered.view()));
  record.Raw(covered.view());
  out += record.view();
  out.resize((out.size() + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment, '\0');
}

std::string Checkpoint(const Recovered& recovered) {
  const SnapshotMark& mark = recovered.snapshot;
  const bool has_configuration = !mark.configuration.voters.empty();
  ByteWriter body;
  Write(body, recovered.hard_state);
  body.Id(mark.last.term);
  body.Id(mark.last.index);
  body.Bytes(has_configuration ? raft::EncodeConfiguration(mark.configuration) : "");
  body.Id(recovered.epoch);
  body.Id(mark.last.index);
  body.U8(1);
  return body.Take();
}

std::string Batch(Epoch epoch, const raft::EntryRef& entry) {
  ByteWriter body;
  body.Id(epoch);
  body.U8(0);
  body.Id(Index());
  body.Varint(1);
  body.Id(entry.term);
  body.Id(entry.index);
  body.U8(static_cast<std::uint8_t>(entry.type));
  body.Bytes(entry.payload.view());
  return body.Take();
}

}  // namespace

void WriteVersion1(io::FaultyDirectory& directory, const Identity& identity,
                   const Recovered& recovered) {
  CHECK(recovered.damage.empty() && recovered.hard_state.promised == raft::LogPosition());
  const SegmentHeader header{.identity = identity, .sequence = 1, .version = kFirstVersion};
  const std::uint32_t seed = ChecksumSeed(header);
  std::string bytes = EncodeHeader(header);
  Frame(bytes, seed, RecordType::kCheckpoint, Checkpoint(recovered));
  for (const raft::EntryRef& entry : recovered.entries) {
    Frame(bytes, seed, RecordType::kBatch, Batch(recovered.epoch, entry));
  }
  bytes.resize(bytes.size() + kZerosBehind, '\0');
  const std::vector<std::string> names = *directory.List();
  for (const std::string& name : names) CHECK(directory.Remove(name).ok());
  CHECK(directory.Sync().ok());
  directory.Overwrite(SegmentName(1), bytes);
}

}  // namespace coterie::wal::testing
