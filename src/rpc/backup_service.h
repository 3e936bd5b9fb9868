#pragma once

// coterie.v1.BackupService on gRPC's callback API: a frozen copy of the state, streamed as the file
// that backup/ describes, no faster than its reader takes it, but who takes nothing is cut off. Any
// thread.

#include <absl/time/time.h>

#include <atomic>
#include <memory>

#include "coterie/v1/backup.grpc.pb.h"
#include "node/node.h"
#include "rpc/gate.h"

namespace coterie::rpc {

class BackupService final : public v1::BackupService::Service {
 public:
  // Each holds space on the disk: files that the store has replaced meanwhile.
  static constexpr int kBackupsMax = 2;

  // Who does not take the next piece (256 KiB) within `stalled_max` is told kAborted.
  BackupService(Gate& gate, node::Node& node, absl::Duration stalled_max);

 private:
  const std::shared_ptr<std::atomic<int>> places_taken_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace coterie::rpc
