#pragma once

// A small file beside the segments that says how far the log is known to go: two slots, written in
// turn and synced, so that one of them is always whole. What the newest records hold is also here
// (the vote, the position of the last entry, where the synced bytes end), so that a loss at the end
// of the log, where no later record tells of it, is noticed too, and no vote is ever forgotten.
// Written when a segment begins and is filled further ahead, when term or vote change, and when the
// log has come to rest.
// Owner: the log thread. The bytes: format.md.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "io/file.h"
#include "raft/entry.h"
#include "wal/log.h"

namespace coterie::wal {

struct Root {
  std::uint64_t sequence = 0;  // The newest segment,
  std::uint64_t end = 0;       // and up to where everything in it was synced.
  std::uint64_t filled = 0;    // Its file has at least so many bytes, zeros ahead; 0 = not known.
  raft::LogPosition last;      // Of the log.
  raft::HardState hard_state;
  friend bool operator==(const Root&, const Root&) = default;
};

class RootFile {
 public:
  struct Found {
    Identity identity;
    Root root;
  };
  // Nothing: there is none, or no slot of it is whole.
  static absl::StatusOr<std::optional<Found>> Read(io::Directory& directory);

  RootFile(io::Directory& directory, const Identity& identity)
      : directory_(directory), identity_(identity) {}
  // Durable when it returns OK.
  [[nodiscard]] absl::Status Write(const Root& root);
  // What Write() was last given in this life.
  const std::optional<Root>& written() const { return written_; }

 private:
  io::Directory& directory_;
  const Identity identity_;
  std::unique_ptr<io::File> file_;
  std::uint64_t counter_ = 0;
  std::optional<Root> written_;
};

}  // namespace coterie::wal
