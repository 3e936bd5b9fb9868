#pragma once

// From a token and a name to a document that the token's user has open: the same admission as a
// call of coterie.v1 has, then the rooms' answer, on the shard that asked.

#include <absl/status/status.h>

#include <functional>
#include <string>

#include "gateway/close_code.h"
#include "gateway/rooms.h"
#include "gateway/shard.h"
#include "rpc/call.h"
#include "rpc/gate.h"

namespace coterie::gateway {

struct DocumentRequest {
  std::string authorization;
  std::string document;
  IfMissing if_missing = IfMissing::kFail;
};
struct OpenedDocument {
  absl::Status status;  // Not OK: nothing of what follows.
  rpc::Caller caller;
  Rooms::Opened document;
};

// `done` runs once, on `shard`.
void OpenDocument(Rooms& rooms, rpc::Gate& gate, const DocumentRequest& request, Shard& shard,
                  std::function<void(OpenedDocument)> done);

CloseCode CloseCodeOf(const absl::Status& status);

}  // namespace coterie::gateway
