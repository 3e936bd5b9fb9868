#pragma once

// The node's two gRPC servers: coterie.v1 with health and reflection for clients, PeerService on a
// port of its own for the other nodes. Wires the handlers together and knows no business of theirs.
//
// Reading order. What a call passes: policy.h, gate.h, authenticate.h, call_rates.h, deadline.h.
// How it is answered: call.h, node_calls.h, document_service.h as the pattern of the others,
// status_map.h, to_proto.h. What carries it: method_table.h, unary_binding.h. Streams: event_hub.h,
// event_feed.h, event_service.h; presence_hub.h; cluster_watch.h, cluster_view.h; backups.h. The
// assistant: assist_runs.h, assist_service.h, llm_servers.h, rewriting.h, live_text.h. Between
// nodes: peer_streams.h, peer_lane.h, peer_greeting.h, peer_service.h. What blocks: work_threads.h,
// turn_threads.h.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>
#include <vector>

#include "node/node.h"
#include "rpc/tls.h"

namespace coterie::rpc {

struct ServerOptions {
  std::string client_listen;  // "host:port".
  std::string peer_listen;
  std::uint64_t cluster_id = 0;
  // Only those whom an administrator made may log in; else a first login makes the user.
  bool is_secure = false;
  Tls tls;
  // "host:port" of each server of a language model; at most LlmServers::kServersMax.
  std::vector<std::string> llm_addresses;
  // That one user may begin on this node; 0 = no limit.
  double user_calls_per_second = 5'000;
  // The built-in assistant's dictionary, as Debian's hunspell packages name it.
  std::string language = "en_US";
  // How long the reader of a backup may take nothing of it before it is cut off.
  absl::Duration backup_stalled_max = absl::Seconds(60);
  // And that of an answer of the assistant's.
  absl::Duration assist_stalled_max = absl::Seconds(60);
};

class AssistRuns;
class Backups;
class ClusterWatch;
class EventHub;
class Gate;
class MethodTable;
class NodeCalls;

// What a face beside gRPC is made of. All of it lives as long as the server; after Stop() the gate
// is closed and the hub has ended.
struct Faces {
  const NodeCalls& calls;
  Gate& gate;
  const MethodTable& methods;
  EventHub& events;
  AssistRuns& assist;
  Backups& backups;
  ClusterWatch& watch;
};

class Server {
 public:
  // kUnavailable: an address cannot be listened at. After Stop() the node may go.
  static absl::StatusOr<std::unique_ptr<Server>> Start(node::Node& node,
                                                       const ServerOptions& options);
  // Requires Stop(), and that the node is gone: it answers who still waits.
  ~Server();

  // Where clients are served: what `client_listen` said, or what the system chose for port 0.
  int client_port() const;
  // The same of `peer_listen`.
  int peer_port() const;

  Faces faces();

  // In the background: makes `name` an administrator if the cluster has no users yet. Blocks for
  // the time of one password hash.
  void MakeFirstUser(const std::string& name, const std::string& password);

  // Lets no new call in, ends streams so that their clients go elsewhere, lets the others finish
  // until `deadline`, and cancels what is left. The other nodes are served to the end.
  void Stop(absl::Time deadline);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::rpc
