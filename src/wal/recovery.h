#pragma once

// Reading a log back: which segments there are, which of their records count, and what they add up
// to. Decides between what was torn (written, never known to be synced: cut off) and what is
// damaged (known to have been synced: reported). Behind damage it reads on, so that what is still
// good is known, and how far the log once went. Changes nothing on disk. Owner: Log::Open().

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "io/file.h"
#include "wal/log.h"
#include "wal/root.h"

namespace coterie::wal {

struct SegmentInfo {
  std::uint64_t sequence = 0;
  std::uint64_t end = 0;  // Offset behind the last record that counts.
  Index last;             // The highest index written to it that was not truncated since.
};

struct Replayed {
  Recovered recovered;
  std::vector<SegmentInfo> segments;  // In order; empty for a new log.
  std::optional<Root> root;
};

// Errors as Log::Open().
absl::StatusOr<Replayed> Replay(io::Directory& directory, const Identity& identity);

}  // namespace coterie::wal
