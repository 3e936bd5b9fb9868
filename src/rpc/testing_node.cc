#include "rpc/testing_node.h"

#include <absl/strings/str_cat.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

}  // namespace

TestingNode::TestingNode(Users users, const std::vector<std::string>& llm_addresses,
                         double user_calls_per_second, absl::Duration stalled_max) {
  folder_ = (std::filesystem::temp_directory_path() / "coterie-rpc-XXXXXX").string();
  CHECK(mkdtemp(folder_.data()) != nullptr);
  node::Options options{.data_path = folder_,
                        .id = NodeId(1),
                        .cluster_id = 7,
                        .founders = {{.id = NodeId(1), .address = "x:1", .client_address = "x:2"}},
                        .peer_address = "x:1",
                        .client_address = "x:2"};
  absl::StatusOr<std::unique_ptr<node::Node>> node = node::Node::Start(options, peers_);
  CHECK(node.ok());
  node_ = *std::move(node);
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(*node_, {.client_listen = "127.0.0.1:0",
                             .peer_listen = "127.0.0.1:0",
                             .cluster_id = 7,
                             .is_secure = users == Users::kMadeByAdmins,
                             .llm_addresses = llm_addresses,
                             .user_calls_per_second = user_calls_per_second,
                             .backup_stalled_max = stalled_max,
                             .assist_stalled_max = stalled_max});
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

TestingClient::TestingClient(const TestingNode& node) : channel_(node.channel()) {}

TestingClient::TestingClient(const TestingNode& node, const std::string& user)
    : channel_(node.channel()) {
  v1::LoginRequest request;
  request.set_user(user);
  token = Call(&v1::AuthService::Stub::Login, request).token();
  CHECK(status.ok());
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

std::string TestingClient::Reason() const {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  if (!rich.ParseFromString(status.error_details())) return {};
  for (const google::protobuf::Any& detail : rich.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return {};
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
