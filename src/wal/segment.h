#pragma once

// One file of the log: its name, its header, and how a new one comes to be. A segment is written
// under another name and synced before it gets its own: what is found under a segment's name has a
// whole header and a whole first record, or the disk is damaged. Owner: the log thread.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/file.h"
#include "wal/log.h"

namespace coterie::wal {

inline constexpr std::size_t kSegmentHeaderBytes = 64;
// The first version's hard states say nothing of promises.
inline constexpr std::uint32_t kFirstVersion = 1;
inline constexpr std::uint32_t kVersion = 2;

struct SegmentHeader {
  Identity identity;
  std::uint64_t sequence = 0;  // 1, 2, 3 ... without gap.
  // Where the records of the segment before this one end: what may lie behind is void.
  std::uint64_t previous_end = 0;
  std::uint32_t version = kVersion;
};

std::string EncodeHeader(const SegmentHeader& header);
// kDataLoss: not a header, or damaged. kFailedPrecondition: a format we do not know.
absl::StatusOr<SegmentHeader> DecodeHeader(std::string_view bytes);

// Mixed into the checksum of every record of that segment.
std::uint32_t ChecksumSeed(const SegmentHeader& header);

std::string SegmentName(std::uint64_t sequence);
// Nothing if `name` is not that of a segment.
std::optional<std::uint64_t> SegmentSequence(std::string_view name);

// The file of a new segment, which has no name yet: `head` (header and first records), then `zeros`
// bytes of zeros, all durable. Whatever fails has left nothing that counts.
absl::StatusOr<std::unique_ptr<io::File>> DraftSegment(io::Directory& directory,
                                                       std::string_view head, std::uint64_t zeros);
// Gives it its name, durably.
[[nodiscard]] absl::Status PublishSegment(io::Directory& directory, std::uint64_t sequence);

// Writes zeros to [from, to), to be synced: a later write there changes no metadata, so that its
// sync costs one write of the disk and not several.
[[nodiscard]] absl::Status FillWithZeros(io::File& file, std::uint64_t from, std::uint64_t to);

}  // namespace coterie::wal
