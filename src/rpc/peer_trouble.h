#pragma once

// Why another node is not reached, for the operator's log: a line when that has lasted for a
// second, and another when the reason is a different one, at most one in ten seconds. That a peer
// does not answer at all, and that it does again, the leader says (node/watch.h).
// Owner: the thread of one lane to the peer.

#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <string>

#include "base/ids.h"
#include "node/node.h"

namespace coterie::rpc {

// A stream's life.
struct StreamEnd {
  grpc::Status status;
  absl::Time began;
  absl::Time ended;
  bool has_carried = false;  // Something was written to it.
};

class PeerTrouble {
 public:
  using Say = std::function<void(const node::Notice&)>;
  PeerTrouble(NodeId peer, const std::string& address, Say say);

  void StreamEnded(const StreamEnd& end);

 private:
  const std::string name_;
  const Say say_;
  absl::Time since_ = absl::InfiniteFuture();  // That it is not reached.
  absl::Time said_at_ = absl::InfinitePast();
  std::string reason_;  // As far as is known since then.
  std::string said_;    // The reason; empty = none, or it has been reached since.
};

}  // namespace coterie::rpc
