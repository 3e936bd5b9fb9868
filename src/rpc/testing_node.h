#pragma once

// For tests: a node with its real servers on ports of the system's choice, of a cluster of its own
// unless said otherwise, and a client that says what it wants in one line. One thread.

#include <absl/time/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coterie/v1/auth.grpc.pb.h"
#include "coterie/v1/backup.grpc.pb.h"
#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/documents.grpc.pb.h"
#include "coterie/v1/events.grpc.pb.h"
#include "coterie/v1/presence.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "node/node.h"
#include "rpc/peer_streams.h"
#include "rpc/server.h"

namespace coterie::rpc {

enum class Users : std::uint8_t { kMadeAtLogin, kMadeByAdmins };

class TestingNode {
 public:
  // What it is made of. The folder is its own.
  struct Parts {
    node::Options node;
    ServerOptions server;
    std::unique_ptr<node::Peers> peers;
  };
  // Of a cluster's only node, in which whoever logs in is made.
  static Parts Alone();
  explicit TestingNode(Parts parts);
  explicit TestingNode(Users users = Users::kMadeAtLogin,
                       const std::vector<std::string>& llm_addresses = {},
                       double user_calls_per_second = 0,
                       absl::Duration stalled_max = absl::Seconds(60));
  ~TestingNode();
  TestingNode(const TestingNode&) = delete;
  TestingNode& operator=(const TestingNode&) = delete;

  void StopServer();
  // Waits for the answer. Requires that one comes: the leader stays.
  state::Outcome Propose(SessionId session, state::CommandBody body);
  // Of a session that is attached: as if nothing had been heard of it for too long.
  void EndLease(SessionId session);
  node::Node& node() { return *node_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  Server& server() { return *server_; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  const std::unique_ptr<node::Peers> peers_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

// The machine-readable half of an error; empty if it has none.
google::rpc::ErrorInfo InfoOf(const grpc::Status& status);

// A logged-in user. Each verb is one call; its status is in `status`. Has them numbered, so that
// the cluster itself repeats what a change of leaders leaves open.
class TestingClient {
 public:
  explicit TestingClient(const TestingNode& node);
  TestingClient(const TestingNode& node, const std::string& user);

  // `method` is a member of a stub: Call(&v1::DocumentService::Stub::GetDocument, request).
  template <class Stub, class Request, class Response>
  Response Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                Request request) {
    if constexpr (requires { request.mutable_request_id(); }) {
      if (!request.has_request_id()) Number(*request.mutable_request_id());
    }
    grpc::ClientContext context;
    Prepare(context);
    Response response;
    Stub stub(channel_);
    status = (stub.*method)(&context, request, &response);
    return response;
  }
  // The same with bytes that may be no message.
  void CallWithBytes(const std::string& method, const std::string& bytes);

  // Of the last error.
  std::string Reason() const;

  SessionId Session();
  std::uint64_t Create(const std::string& name);
  std::uint64_t Append(std::uint64_t doc, const std::string& text);
  v1::Lock LockIt(std::uint64_t doc);

  void Prepare(grpc::ClientContext& context) const;

  grpc::Status status;
  std::string token;

 private:
  void Number(v1::RequestId& id);

  std::shared_ptr<grpc::Channel> channel_;
  const std::uint64_t client_id_;
  std::uint64_t sequence_ = 0;
};

}  // namespace coterie::rpc
