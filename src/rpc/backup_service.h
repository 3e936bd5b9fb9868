#pragma once

// coterie.v1.BackupService on gRPC's callback API: one of rpc/backups.h, streamed no faster than
// its reader takes it, but who takes nothing is cut off. Any thread.

#include <absl/time/time.h>

#include "coterie/v1/backup.grpc.pb.h"
#include "rpc/backups.h"
#include "rpc/gate.h"

namespace coterie::rpc {

class BackupService final : public v1::BackupService::Service {
 public:
  // Who does not take the next piece (256 KiB) within `stalled_max` is told kAborted.
  BackupService(Gate& gate, Backups& backups, absl::Duration stalled_max);
};

}  // namespace coterie::rpc
