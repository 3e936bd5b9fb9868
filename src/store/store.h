#pragma once

// RocksDB behind state's Kv: one column family, its own write-ahead log off (ours is the log), and
// everything of one Commit() atomic, the applied position included. After a crash the store is as
// of some earlier Commit(): replay goes on from the applied position that it holds.
//
// Threads: Get, Scan, Put, Delete, Commit: the apply thread. Flush, WriteCheckpoint: any one other.
// A RocksDB error on the apply path ends the process (CHECK with the text): the log brings it back.
// If it was damage, the database is marked, and does not open again.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "state/kv.h"

namespace coterie::store {

class Store final : public state::Kv {
 public:
  // Opens or creates the database in the folder `path`. kDataLoss: RocksDB finds it corrupt.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path);
  ~Store() override;

  std::optional<std::string> Get(std::string_view key) const override;
  void Scan(std::string_view first, std::string_view end, const Visitor& visit) const override;
  void Put(std::string_view key, std::string_view value) override;
  void Delete(std::string_view key) override;
  void Commit() override;

  // Makes every Commit() that returned before this call durable. kResourceExhausted on a full disk.
  [[nodiscard]] absl::Status Flush();
  // The value of `key` as it is durable now, whatever happens (read tier: persisted).
  absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const;

  // A consistent copy in the new folder `path` (hard links where it can), durable with its
  // directory entries. What it holds is read from inside it.
  [[nodiscard]] absl::Status WriteCheckpoint(const std::string& path);

  std::uint64_t size_bytes() const;

  // On a disk that fills up; any thread. RocksDB's own work waits for room (patient_files.h), and
  // so does a Commit() that would have to wait for it: it returns at once, Get() sees it, and one
  // that comes later, once there is room, makes up for it.
  // What it may yet have to write of what it was given, at most:
  std::uint64_t wanted_bytes() const;
  bool lacks_room() const;
  // Before it is destroyed: what waits for room fails.
  void StopWaiting();

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::store
