#include "rpc/testing_node.h"

#include <absl/strings/str_cat.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "google/rpc/status.pb.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

// Above what tests choose themselves.
std::uint64_t NextClientId() {
  static std::atomic<std::uint64_t> last{std::uint64_t{1} << 32};
  return ++last;
}

}  // namespace

TestingNode::Parts TestingNode::Alone() {
  constexpr std::uint64_t kCluster = 7;
  const NodeId self(1);
  return {
      .node = {.id = self,
               .cluster_id = kCluster,
               .founders = {{.id = self, .address = "x:1", .client_address = "x:2"}},
               .peer_address = "x:1",
               .client_address = "x:2"},
      .server = {.client_listen = "127.0.0.1:0",
                 .peer_listen = "127.0.0.1:0",
                 .cluster_id = kCluster,
                 .user_calls_per_second = 0},
      .peers = std::make_unique<PeerStreams>(kCluster, self, grpc::InsecureChannelCredentials())};
}

TestingNode::TestingNode(Users users, const std::vector<std::string>& llm_addresses,
                         double user_calls_per_second, absl::Duration stalled_max)
    : TestingNode([&] {
        Parts parts = Alone();
        parts.server.is_secure = users == Users::kMadeByAdmins;
        parts.server.llm_addresses = llm_addresses;
        parts.server.user_calls_per_second = user_calls_per_second;
        parts.server.backup_stalled_max = stalled_max;
        parts.server.assist_stalled_max = stalled_max;
        return parts;
      }()) {}

TestingNode::TestingNode(Parts parts) : peers_(std::move(parts.peers)) {
  folder_ = (std::filesystem::temp_directory_path() / "coterie-rpc-XXXXXX").string();
  CHECK(mkdtemp(folder_.data()) != nullptr);
  parts.node.data_path = folder_;
  absl::StatusOr<std::unique_ptr<node::Node>> node = node::Node::Start(parts.node, *peers_);
  CHECK(node.ok());
  node_ = *std::move(node);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(*node_, parts.server);
  CHECK(server.ok());
  server_ = *std::move(server);
  channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->client_port()),
                                 grpc::InsecureChannelCredentials());
}

TestingNode::~TestingNode() {
  StopServer();
  node_.reset();
  server_.reset();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

void TestingNode::StopServer() { server_->Stop(absl::Now() + absl::Seconds(1)); }

state::Outcome TestingNode::Propose(SessionId session, state::CommandBody body) {
  state::Outcome outcome;
  absl::Notification done;
  node_->Propose({.session = session, .body = std::move(body)}, absl::Now() + kTimeout,
                 [&](const absl::StatusOr<state::Outcome>& answer) {
                   CHECK(answer.ok());
                   outcome = *answer;
                   done.Notify();
                 });
  done.WaitForNotification();
  return outcome;
}

void TestingNode::EndLease(SessionId session) {
  const std::optional<state::SessionView> known = node_->sessions().Find(session);
  CHECK(known && !known->attached.IsNone());
  const state::Outcome outcome =
      Propose({}, state::Leave{.session = session,
                               .attached = known->attached,
                               .reason = state::LeaveReason::kLeaseExpired});
  CHECK(outcome.ok());
}

TestingClient::TestingClient(const TestingNode& node)
    : channel_(node.channel()), client_id_(NextClientId()) {}

TestingClient::TestingClient(const TestingNode& node, const std::string& user)
    : TestingClient(node) {
  v1::LoginRequest request;
  request.set_user(user);
  // A login has no number.
  const absl::Time end = absl::Now() + kTimeout;
  do {
    token = Call(&v1::AuthService::Stub::Login, request).token();
  } while (status.error_code() == grpc::StatusCode::UNAVAILABLE && absl::Now() < end);
  CHECK(status.ok());
}

void TestingClient::Number(v1::RequestId& id) {
  ++sequence_;
  id.set_client_id(client_id_);
  id.set_sequence(sequence_);
  id.set_acked_below(sequence_);
}

void TestingClient::Prepare(grpc::ClientContext& context) const {
  context.set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
  context.set_wait_for_ready(true);
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
}

void TestingClient::CallWithBytes(const std::string& method, const std::string& bytes) {
  grpc::ClientContext context;
  Prepare(context);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::GenericStub(channel_).UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                                        [&](grpc::Status result) {
                                          status = std::move(result);
                                          done.Notify();
                                        });
  done.WaitForNotification();
}

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  if (!rich.ParseFromString(status.error_details())) return {};
  for (const google::protobuf::Any& detail : rich.details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  return {};
}

std::string TestingClient::Reason() const { return InfoOf(status).reason(); }

SessionId TestingClient::Session() {
  return SessionId(Call(&v1::AuthService::Stub::WhoAmI, v1::WhoAmIRequest()).session_id());
}

std::uint64_t TestingClient::Create(const std::string& name) {
  v1::CreateDocumentRequest request;
  request.set_name(name);
  return Call(&v1::DocumentService::Stub::CreateDocument, request).document_id();
}

std::uint64_t TestingClient::Append(std::uint64_t doc, const std::string& text) {
  v1::AppendDocumentRequest request;
  request.mutable_document()->set_id(doc);
  request.set_text(text);
  return Call(&v1::DocumentService::Stub::AppendDocument, request).revision();
}

v1::Lock TestingClient::LockIt(std::uint64_t doc) {
  v1::LockDocumentRequest request;
  request.mutable_document()->set_id(doc);
  request.set_ttl_ms(60'000);
  return Call(&v1::DocumentService::Stub::LockDocument, request).lock();
}

}  // namespace coterie::rpc
