#pragma once

// One file of the log: its name, its header, and how a new one comes to be. A segment is written
// under another name, filled with zeros to its full size and synced, before it gets its own: what
// is found under a segment's name has a whole header and a whole first record, or the disk is
// damaged. Owner: the log thread.

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

struct SegmentHeader {
  Identity identity;
  std::uint64_t sequence = 0;  // 1, 2, 3 ... without gap.
  // Where the records of the segment before this one end: what may lie behind is void.
  std::uint64_t previous_end = 0;
};

std::string EncodeHeader(const SegmentHeader& header);
// kDataLoss: not a header, or damaged. kFailedPrecondition: a format we do not know.
absl::StatusOr<SegmentHeader> DecodeHeader(std::string_view bytes);

// Mixed into the checksum of every record of that segment.
std::uint32_t ChecksumSeed(const SegmentHeader& header);

std::string SegmentName(std::uint64_t sequence);
// Nothing if `name` is not that of a segment.
std::optional<std::uint64_t> SegmentSequence(std::string_view name);

// A file that is being filled with zeros ahead of need, a piece at a time, so that no append waits
// for all of it.
class Spare {
 public:
  // Removes what an earlier process left.
  static absl::StatusOr<Spare> Create(io::Directory& directory, std::uint64_t size_bytes);

  // Writes and syncs the next piece of at most `bytes_max`.
  [[nodiscard]] absl::Status Fill(std::uint64_t bytes_max);
  bool IsFilled() const { return filled_ == size_bytes_; }
  std::uint64_t size_bytes() const { return size_bytes_; }

  // Fills the rest, writes `head` (header and first records) to the start, syncs, and gives the
  // file its name for good.
  absl::StatusOr<std::unique_ptr<io::File>> Activate(std::uint64_t sequence, std::string_view head);

 private:
  Spare(io::Directory& directory, std::unique_ptr<io::File> file, std::uint64_t size_bytes)
      : directory_(&directory), file_(std::move(file)), size_bytes_(size_bytes) {}

  io::Directory* directory_;
  std::unique_ptr<io::File> file_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t filled_ = 0;
};

}  // namespace coterie::wal
