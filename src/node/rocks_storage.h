#pragma once

// StateStorage on RocksDB and a folder of files:
//
//   <path>/store/      the state in use
//   <path>/outgoing/N/ frozen copies on offer; emptied at start
//   <path>/incoming/   a snapshot being received; emptied at start
//   <path>/sealed/     a received snapshot, whole and durable, not yet in use
//   <path>/old/        the state that a swap has replaced; removed when found
//
// A copy travels as one stream: a manifest (count, then name, size and CRC of each file), then the
// files' bytes in that order. Threads: see state_storage.h.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/state_storage.h"
#include "store/store.h"

namespace coterie::node {

class RocksStorage final : public StateStorage {
 public:
  explicit RocksStorage(std::string path);
  ~RocksStorage() override;

  [[nodiscard]] absl::Status Open(Index log_start) override;
  [[nodiscard]] absl::Status Discard() override;
  state::Kv& kv() override;
  [[nodiscard]] absl::Status Flush() override;
  absl::StatusOr<std::optional<std::string>> GetDurable(std::string_view key) const override;
  absl::StatusOr<std::unique_ptr<StateCopy>> Copy() override;
  [[nodiscard]] absl::Status BeginInstall() override;
  [[nodiscard]] absl::Status Write(std::string_view bytes) override;
  [[nodiscard]] absl::Status Seal() override;
  absl::StatusOr<std::optional<std::string>> GetIncoming(std::string_view key) const override;
  [[nodiscard]] absl::Status Swap() override;
  std::uint64_t size_bytes() const override;
  std::uint64_t wanted_bytes() const override;
  bool lacks_room() const override;
  void StopWaiting() override;

 private:
  struct Incoming;

  std::string PathOf(const char* name) const;
  // Renames sealed/ to store/, aside with whatever is there; every step is durable before the next.
  absl::Status MoveSealedIntoPlace();
  absl::Status OpenStore();
  absl::Status Take(std::string_view bytes);
  std::shared_ptr<store::Store> store() const;

  const std::string path_;
  // Held over whatever uses the store on the snapshot thread, and over a swap.
  mutable absl::Mutex use_mutex_;
  // The pointer is swapped by the apply thread and read by the snapshot thread.
  mutable absl::Mutex mutex_;
  std::shared_ptr<store::Store> store_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Incoming> incoming_;
  std::uint64_t copies_ = 0;
};

}  // namespace coterie::node
