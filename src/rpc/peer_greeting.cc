#include "rpc/peer_greeting.h"

#include <optional>
#include <string>

#include "node/identity.h"

namespace coterie::rpc {
namespace {

constexpr char kClusterIdKey[] = "coterie-cluster-id";
constexpr char kRulesKey[] = "coterie-rules";  // node::kRulesVersion
constexpr char kFoundingKey[] = "coterie-founding";

std::optional<std::string> Find(const grpc::CallbackServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

// Two that differ in what they make of the log would come to different states.
grpc::Status OtherRules() {
  return {
      grpc::StatusCode::FAILED_PRECONDITION,
      "this node runs a version of Coterie that cannot share a cluster with yours; start all of "
      "a cluster's nodes from the same one"};
}

// Each may have a majority of those that it was told of, and so each has acknowledged what the
// other has not. Brought together, one of them would lose it.
grpc::Status OtherFounding() {
  return {grpc::StatusCode::FAILED_PRECONDITION,
          "this node began with other founders, or with another backup, than yours; compare the "
          "--founder and --restore that both were started with for the first time, and begin "
          "again, with an empty data folder, on the one that is wrong"};
}

}  // namespace

grpc::Status OtherCluster() {
  return {grpc::StatusCode::PERMISSION_DENIED,
          "this node is of another cluster; compare the cluster ids that both were started with"};
}

void PeerGreeting::AddTo(grpc::ClientContext& context) const {
  context.AddMetadata(kClusterIdKey, std::to_string(cluster_id));
  context.AddMetadata(kRulesKey, std::to_string(node::kRulesVersion));
  if (founding != 0) context.AddMetadata(kFoundingKey, std::to_string(founding));
}

grpc::Status CheckGreeting(const grpc::CallbackServerContext& context, const PeerGreeting& own) {
  if (Find(context, kClusterIdKey) != std::to_string(own.cluster_id)) return OtherCluster();
  if (Find(context, kRulesKey) != std::to_string(node::kRulesVersion)) return OtherRules();
  const std::optional<std::string> founding = Find(context, kFoundingKey);
  const bool is_other = own.founding != 0 && founding && *founding != std::to_string(own.founding);
  return is_other ? OtherFounding() : grpc::Status::OK;
}

}  // namespace coterie::rpc
