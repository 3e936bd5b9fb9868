#pragma once

// A directory in memory that behaves as badly as a real one may: it stops at any chosen operation,
// forgets what was not synced, keeps any part of it sector by sector, reports errors and flips
// bits. For tests and the simulator. Owner: one thread.
//
// What a crash leaves: of the contents, everything synced and any subset of the sectors written
// since; of the directory, everything up to its last Sync() and any number of the operations since,
// in their order (a journalling file system loses a suffix, not a hole).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "io/file.h"

namespace coterie::io {

class FaultyDirectory final : public Directory {
 public:
  explicit FaultyDirectory(std::uint64_t seed);
  ~FaultyDirectory() override;

  absl::StatusOr<std::unique_ptr<File>> Open(std::string_view name, OpenMode mode) override;
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::Status Rename(std::string_view source, std::string_view target) override;
  absl::Status Remove(std::string_view name) override;
  absl::Status Sync() override;
  absl::StatusOr<std::uint64_t> FreeBytes() override { return free_bytes; }

  // Operations that change something, counted from 1: writes, truncations, syncs, creations,
  // renames, removals.
  std::uint64_t operations() const { return operations_; }
  // The machine stops in the middle of that operation: it fails, and so does all that follows,
  // until Restart().
  void CrashAt(std::uint64_t operation) { crash_at_ = operation; }
  // That operation fails with this status, and has no effect.
  void FailAt(std::uint64_t operation, absl::Status status);
  // Neither of them will come.
  void ForgetFaults();
  bool has_crashed() const { return has_crashed_; }
  // What is left after a crash at this moment. Files that are open stay dead.
  void Restart();

  // What would be left if the machine stopped now and nothing that was not synced had got to the
  // disk: what an acknowledgement may rest on.
  std::unique_ptr<FaultyDirectory> DurableImage() const;
  // Of that image, without a copy: its names, sorted, and one file's bytes; null = no such file.
  std::vector<std::string> DurableNames() const;
  const std::string* DurableContents(std::string_view name) const;

  // Damage at rest. Requires that the file exists and is long enough.
  void FlipBit(std::string_view name, std::uint64_t bit);
  void Overwrite(std::string_view name, std::string_view bytes);
  std::string Contents(std::string_view name) const;

  std::uint64_t free_bytes = 1ULL << 40;

 private:
  class OpenFile;
  struct Inode;
  using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;
  struct Change {
    std::string name;
    std::shared_ptr<Inode> inode;  // Null = gone.
  };

  // Counts an operation; an error if it must not happen.
  absl::Status Begin();
  void Apply(std::vector<Change> changes);

  Prng prng_;
  Entries entries_;
  Entries durable_entries_;
  std::vector<std::vector<Change>> unsynced_;  // Since the last Sync(); each is atomic.
  std::uint64_t operations_ = 0;
  std::uint64_t life_ = 1;  // Files of an earlier one are dead.
  std::optional<std::uint64_t> crash_at_;
  std::map<std::uint64_t, absl::Status> failures_;
  bool has_crashed_ = false;
};

}  // namespace coterie::io
