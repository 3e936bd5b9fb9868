#pragma once

// What a node says of itself on every stream to another one, and what that one refuses: nodes that
// could harm each other's logs never exchange a frame. Pure functions.

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <cstdint>

namespace coterie::rpc {

struct PeerGreeting {
  std::uint64_t cluster_id = 0;
  // The founding that the node took part in (node/identity.h); 0 if in none, or it is not known.
  std::uint32_t founding = 0;

  void AddTo(grpc::ClientContext& context) const;
};

// kPermissionDenied: who calls is of another cluster. kFailedPrecondition: its program makes
// something else of the log, or it began with another log.
grpc::Status CheckGreeting(const grpc::CallbackServerContext& context, const PeerGreeting& own);

// To who is of another cluster.
grpc::Status OtherCluster();

}  // namespace coterie::rpc
