#include "wal/segment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "runtime/status_macros.h"

namespace coterie::wal {
namespace {

constexpr std::uint64_t kMagic = 0x4c41572d45544f43;  // "COTE-WAL", little-endian.
constexpr std::string_view kDraftName = "segment.draft";
constexpr std::string_view kSuffix = ".wal";
constexpr std::size_t kNameDigits = 16;
// One page: a larger write makes the page cache keep larger units, and then every sync of a few
// hundred bytes writes such a unit (measured: 340 KiB instead of 4).
constexpr std::uint64_t kFillPieceBytes = 4 << 10;

}  // namespace

std::string EncodeHeader(const SegmentHeader& header) {
  ByteWriter writer;
  writer.Fixed64(kMagic);
  writer.Fixed32(header.version);
  writer.Fixed64(header.identity.cluster_id);
  writer.Fixed64(header.identity.node.value());
  writer.Fixed64(header.identity.incarnation.value());
  writer.Fixed64(header.sequence);
  writer.Fixed64(header.previous_end);
  writer.Fixed64(0);  // Reserved.
  writer.Fixed32(ComputeCrc32c(writer.view()));
  return writer.Take();
}

absl::StatusOr<SegmentHeader> DecodeHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return absl::DataLossError("the header is cut short");
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  ByteReader reader(bytes);
  if (reader.Fixed64() != kMagic) return absl::DataLossError("the header is not a segment's");
  SegmentHeader header;
  header.version = reader.Fixed32();
  header.identity.cluster_id = reader.Fixed64();
  header.identity.node = NodeId(reader.Fixed64());
  header.identity.incarnation = Incarnation(reader.Fixed64());
  header.sequence = reader.Fixed64();
  header.previous_end = reader.Fixed64();
  reader.Fixed64();
  if (reader.Fixed32() != ComputeCrc32c(bytes.substr(0, kSegmentHeaderBytes - 4))) {
    return absl::DataLossError("the header's checksum does not fit");
  }
  if (header.version != kFirstVersion && header.version != kVersion) {
    return absl::FailedPreconditionError(
        "the log was written by another version of this program; use that, or a newer one");
  }
  return header;
}

std::uint32_t ChecksumSeed(const SegmentHeader& header) {
  ByteWriter writer;
  writer.Fixed64(header.identity.cluster_id);
  writer.Fixed64(header.identity.node.value());
  writer.Fixed64(header.identity.incarnation.value());
  writer.Fixed64(header.sequence);
  return ComputeCrc32c(writer.view());
}

std::string SegmentName(std::uint64_t sequence) {
  std::array<char, kNameDigits> digits{};
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), sequence, 16);
  const std::string_view number(digits.data(), static_cast<std::size_t>(end - digits.data()));
  return std::string(kNameDigits - number.size(), '0') + std::string(number) + std::string(kSuffix);
}

std::optional<std::uint64_t> SegmentSequence(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, sequence, 16);
  if (error != std::errc() || end != name.data() + kNameDigits) return std::nullopt;
  return sequence;
}

absl::Status FillWithZeros(io::File& file, std::uint64_t from, std::uint64_t to) {
  static const std::string kZeros(kFillPieceBytes, '\0');
  while (from < to) {
    const std::uint64_t piece = std::min(to - from, kFillPieceBytes);
    RETURN_IF_ERROR(file.Write(from, std::string_view(kZeros).substr(0, piece)));
    from += piece;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<io::File>> DraftSegment(io::Directory& directory,
                                                       std::string_view head, std::uint64_t zeros) {
  // What a process that died in the middle of this left.
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.List());
  if (std::ranges::count(names, kDraftName) > 0) RETURN_IF_ERROR(directory.Remove(kDraftName));
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file,
                   directory.Open(kDraftName, io::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Write(0, head));
  RETURN_IF_ERROR(FillWithZeros(*file, head.size(), head.size() + zeros));
  RETURN_IF_ERROR(file->Sync());
  return file;
}

absl::Status PublishSegment(io::Directory& directory, std::uint64_t sequence) {
  RETURN_IF_ERROR(directory.Rename(kDraftName, SegmentName(sequence)));
  return IsMutant(11) ? absl::OkStatus() : directory.Sync();
}

}  // namespace coterie::wal
