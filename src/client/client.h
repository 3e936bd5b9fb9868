#pragma once

// A client of a Coterie cluster: give it any of the nodes' addresses and it finds the others and
// the leader. Call() blocks until the answer, an error that a retry would not change, or the
// deadline; nodes that are dead, frozen, far or not leading are gone round meanwhile, and a
// mutating call has one effect however often it was sent (RequestId). The session goes along from
// node to node. Subscribe() reads events without gap or duplicate over all that; Attach() keeps one
// present. Any thread; calls run side by side. Blocks, so not for a gRPC thread.

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/assist_stream.h"
#include "client/attachment.h"
#include "client/error_detail.h"
#include "client/methods.h"
#include "client/nodes.h"
#include "client/request_ids.h"
#include "client/subscription.h"
#include "coterie/v1/events.pb.h"

namespace coterie::client {

struct Options {
  std::vector<std::string> addresses;  // "host:port"; see ParseAddresses().
  Credentials credentials;
  std::string token;  // Of a session that exists; empty = Login() first.
  // For calls that say nothing else.
  absl::Duration call_timeout = absl::Seconds(10);
  absl::Duration connect_timeout = absl::Milliseconds(150);
  absl::Duration unreachable_timeout = absl::InfiniteDuration();
};

struct CallOptions {
  absl::Duration timeout = absl::ZeroDuration();  // Zero = Options::call_timeout.
};

class Client {
 public:
  // Connects to nothing yet. kInvalidArgument for a malformed address or none, and for
  // an authority without a certificate.
  static absl::StatusOr<std::unique_ptr<Client>> Open(Options options);
  // No call, subscription or attachment may be in use any more.
  ~Client();

  // For example Call(v1::GetDocumentRequest) -> StatusOr<v1::GetDocumentResponse>. A RequestId is
  // filled in. Errors: the cluster's own, with DetailOf(); kUnavailable = no node could be reached
  // or served, nothing is known to have happened; kDeadlineExceeded = it may have taken effect.
  template <class Request>
  absl::StatusOr<typename Method<Request>::Response> Call(Request request,
                                                          const CallOptions& options = {}) {
    typename Method<Request>::Response response;
    absl::Status status;
    const Unary unary{.path = Method<Request>::kPath,
                      .attempt_timeout = Method<Request>::AttemptTimeout(),
                      .timeout = options.timeout,
                      .sends_token = !std::is_same_v<Request, v1::LoginRequest>};
    if constexpr (requires { request.mutable_request_id(); }) {
      const OpenRequest open(*this, *request.mutable_request_id());
      status = Run(unary, request, response);
    } else {
      status = Run(unary, request, response);
    }
    if (!status.ok()) return status;
    return response;
  }

  // Call(), and the session's token is kept for all that follows.
  absl::StatusOr<v1::LoginResponse> Login(const std::string& user, const std::string& password);
  // Ends the session. OK also if it was over already.
  absl::Status Logout();
  std::string token() const { return nodes_->token(); }
  void SetToken(std::string token) { nodes_->SetToken(std::move(token)); }

  // Asks the cluster for its members now. Otherwise done in passing, after calls.
  absl::Status LearnMembers();
  std::vector<std::string> addresses() const { return nodes_->addresses(); }
  std::string leader() const { return nodes_->leader(); }

  // For example Assist(v1::AskRequest); see assist_stream.h.
  template <class Request>
  absl::Status Assist(const Request& request, absl::Time deadline, const OnAssistEvent& on_event) {
    return RunAssist(*nodes_, AssistMethod<Request>::kPath, request, deadline, on_event);
  }

  // The bytes of a backup's file (backup/backup_file.h), piece by piece, of whichever node answers;
  // false from `on_bytes` gives it up. Worth nothing unless this returns OK.
  absl::Status TakeBackup(absl::Time deadline,
                          const std::function<bool(const std::string&)>& on_bytes);

  // See subscription.h. kUnavailable as Call().
  absl::StatusOr<std::unique_ptr<Subscription>> Subscribe(v1::SubscribeRequest request);
  // See attachment.h.
  std::unique_ptr<Attachment> Attach(Attachment::Options options);

 private:
  struct Unary {
    const char* path;
    absl::Duration attempt_timeout;
    absl::Duration timeout;
    bool sends_token;
  };
  // A request id is open, so not forgotten by the cluster, for as long as this lives.
  class OpenRequest {
   public:
    OpenRequest(Client& client, v1::RequestId& id);
    ~OpenRequest();
    OpenRequest(const OpenRequest&) = delete;
    OpenRequest& operator=(const OpenRequest&) = delete;

   private:
    Client& client_;
    std::uint64_t sequence_;
  };
  class Learner;

  Client(Options options, std::uint64_t client_id);
  absl::Status Run(const Unary& unary, const google::protobuf::Message& request,
                   google::protobuf::Message& response);

  const Options options_;
  const std::shared_ptr<Nodes> nodes_;
  const std::unique_ptr<Learner> learner_;
  absl::Mutex mutex_;
  RequestIds request_ids_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::client
