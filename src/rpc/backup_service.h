#pragma once

// coterie.v1.BackupService on gRPC's callback API: a frozen copy of the state, streamed as the file
// that backup/ describes, no faster than its reader takes it. Any thread.

#include <atomic>

#include "coterie/v1/backup.grpc.pb.h"
#include "node/node.h"
#include "rpc/gate.h"

namespace coterie::rpc {

class BackupService final : public v1::BackupService::Service {
 public:
  // Each holds space on the disk: files that the store has replaced meanwhile.
  static constexpr int kBackupsMax = 2;

  BackupService(Gate& gate, node::Node& node);

 private:
  std::atomic<int> running_{0};
};

}  // namespace coterie::rpc
