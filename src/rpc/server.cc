#include "rpc/server.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sodium.h>

#include <utility>

#include "base/check.h"
#include "coterie/v1/auth.grpc.pb.h"
#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/documents.grpc.pb.h"
#include "coterie/v1/drafts.grpc.pb.h"
#include "rpc/assist_binding.h"
#include "rpc/assist_runs.h"
#include "rpc/assist_service.h"
#include "rpc/auth_service.h"
#include "rpc/backup_service.h"
#include "rpc/backups.h"
#include "rpc/built_in.h"
#include "rpc/cluster_binding.h"
#include "rpc/cluster_service.h"
#include "rpc/cluster_watch.h"
#include "rpc/document_service.h"
#include "rpc/draft_service.h"
#include "rpc/event_hub.h"
#include "rpc/event_service.h"
#include "rpc/gate.h"
#include "rpc/llm_servers.h"
#include "rpc/method_table.h"
#include "rpc/node_calls.h"
#include "rpc/node_channels.h"
#include "rpc/passwords.h"
#include "rpc/peer_service.h"
#include "rpc/presence_hub.h"
#include "rpc/presence_service.h"
#include "rpc/unary_binding.h"
#include "rpc/work_threads.h"

namespace coterie::rpc {
namespace {

// A little more than any policy allows, so that it is the policy's clear text that refuses.
constexpr int kRequestBytesMax = 8 << 20;
constexpr std::size_t kMemoryMax = 1 << 30;
constexpr absl::Duration kFirstUserTimeout = absl::Seconds(10);
constexpr int kFirstUserTries = 30;

void SetTransport(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 500);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Two nodes on one port would share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Who does not finish a TLS handshake holds nothing for long.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.SetMaxSendMessageSize(-1);
}

absl::Status CannotListen(const std::string& address) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen at ", address,
                   ": the port is taken by another program, or the address is not this machine's"));
}

}  // namespace

class Server::Impl {
 public:
  Impl(node::Node& node, const ServerOptions& options)
      : rates_(options.user_calls_per_second),
        calls_(node, rates_),
        gate_(node, rates_),
        auth_(calls_, passwords_, {.creates_users = !options.is_secure}),
        documents_(calls_),
        drafts_(calls_, draft_threads_),
        channels_(options.tls.ToClientPorts()),
        watch_(node, gate_.times(), channels_, [this] { return hub_.size(); }),
        cluster_(calls_, channels_, watch_, [this] { return hub_.size(); }),
        presence_(calls_),
        llm_(options.llm_addresses, options.tls.ToLlmServers()),
        built_in_(options.language),
        assist_(calls_, llm_, built_in_),
        assist_runs_(gate_, assist_, assist_threads_, options.assist_stalled_max),
        backups_(gate_, node, backup_threads_),
        hub_(node),
        presence_hub_(node),
        auth_binding_(gate_),
        document_binding_(gate_),
        draft_binding_(gate_),
        cluster_binding_(gate_, watch_),
        event_binding_(gate_, hub_),
        backup_binding_(gate_, backups_, options.backup_stalled_max),
        presence_binding_(gate_, calls_, presence_hub_),
        assist_binding_(gate_, assist_runs_),
        peers_(node, options.cluster_id) {
    BindAuth();
    BindDocuments();
    BindDrafts();
    BindTheRest();
  }

  // gRPC has ended its calls, and the node has answered all others.
  ~Impl() { CHECK(gate_.calls() == 0); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start(const ServerOptions& options) {
    passwords_.Start();
    draft_threads_.Start();
    assist_threads_.Start();
    backup_threads_.Start();
    hub_.Start();
    watch_.Start();
    presence_hub_.Start();
    grpc::ServerBuilder peer_builder;
    SetTransport(peer_builder);
    peer_builder.SetMaxReceiveMessageSize(-1);  // Frames are bounded by their sender; other nodes.
    peer_builder.AddListeningPort(options.peer_listen, options.tls.ForPeers(), &peer_port_);
    peer_builder.RegisterService(&peers_);
    peer_server_ = peer_builder.BuildAndStart();
    if (peer_server_ == nullptr || peer_port_ == 0) return CannotListen(options.peer_listen);

    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    SetTransport(builder);
    builder.SetMaxReceiveMessageSize(kRequestBytesMax);
    grpc::ResourceQuota quota("clients");
    quota.Resize(kMemoryMax);
    builder.SetResourceQuota(quota);
    builder.AddListeningPort(options.client_listen, options.tls.ForClients(), &client_port_);
    builder.RegisterService(&auth_binding_);
    builder.RegisterService(&document_binding_);
    builder.RegisterService(&draft_binding_);
    builder.RegisterService(&cluster_binding_);
    builder.RegisterService(&event_binding_);
    builder.RegisterService(&backup_binding_);
    builder.RegisterService(&presence_binding_);
    builder.RegisterService(&assist_binding_);
    client_server_ = builder.BuildAndStart();
    if (client_server_ == nullptr || client_port_ == 0) return CannotListen(options.client_listen);
    return absl::OkStatus();
  }

  int client_port() const { return client_port_; }
  int peer_port() const { return peer_port_; }

  // All nodes may do this at once: the state makes the first user only once.
  void MakeFirstUser(const state::CreateUser& user, int tries) {
    calls_.node().Propose({.body = user}, absl::Now() + kFirstUserTimeout,
                          [this, user, tries](const absl::StatusOr<state::Outcome>& outcome) {
                            if (!outcome.ok() && tries > 1 && !gate_.IsClosed()) {
                              MakeFirstUser(user, tries - 1);
                            }
                          });
  }

  void Stop(absl::Time deadline) {
    if (client_server_ != nullptr) {
      client_server_->GetHealthCheckService()->SetServingStatus(false);
      gate_.Close();
      const absl::Status stopping = Error(absl::StatusCode::kUnavailable, "STOPPING",
                                          "This node is stopping; resume on another one.");
      hub_.EndAll(stopping);
      watch_.EndAll(stopping);
      presence_hub_.EndAll(stopping);
      client_server_->Shutdown(absl::ToChronoTime(deadline));
    }
    if (peer_server_ != nullptr) peer_server_->Shutdown(absl::ToChronoTime(absl::Now()));
    passwords_.Stop();
    draft_threads_.Stop();
    assist_runs_.CancelAll();
    assist_threads_.Stop();
    backup_threads_.Stop();
    hub_.Stop();
    watch_.Stop();
    presence_hub_.Stop();
  }

  Faces faces() {
    return {.calls = calls_,
            .gate = gate_,
            .methods = methods_,
            .events = hub_,
            .assist = assist_runs_,
            .backups = backups_,
            .watch = watch_};
  }

 private:
  // On gRPC, and in the table for the other faces.
  template <class Binding, class Handlers, class Handler>
  void Bind(Binding& binding, Handlers& handlers, Handler handler) {
    binding.Bind(handlers, handler);
    methods_.Bind(handlers, handler);
  }
  void BindAuth() {
    Bind(auth_binding_, auth_, &AuthService::Login);
    Bind(auth_binding_, auth_, &AuthService::Logout);
    Bind(auth_binding_, auth_, &AuthService::WhoAmI);
    Bind(auth_binding_, auth_, &AuthService::ListUsers);
    Bind(auth_binding_, auth_, &AuthService::CreateUser);
    Bind(auth_binding_, auth_, &AuthService::SetPassword);
    Bind(auth_binding_, auth_, &AuthService::RemoveUser);
  }
  void BindDocuments() {
    BoundService<v1::DocumentService>& binding = document_binding_;
    Bind(binding, documents_, &DocumentService::CreateDocument);
    Bind(binding, documents_, &DocumentService::GetDocument);
    Bind(binding, documents_, &DocumentService::ListDocuments);
    Bind(binding, documents_, &DocumentService::RenameDocument);
    Bind(binding, documents_, &DocumentService::DeleteDocument);
    Bind(binding, documents_, &DocumentService::ShareDocument);
    Bind(binding, documents_, &DocumentService::WriteDocument);
    Bind(binding, documents_, &DocumentService::EditDocument);
    Bind(binding, documents_, &DocumentService::AppendDocument);
    Bind(binding, documents_, &DocumentService::GetUpdate);
    Bind(binding, documents_, &DocumentService::ApplyUpdate);
    Bind(binding, documents_, &DocumentService::LockDocument);
    Bind(binding, documents_, &DocumentService::UnlockDocument);
    Bind(binding, documents_, &DocumentService::BreakLock);
    Bind(binding, documents_, &DocumentService::ListLocks);
    Bind(binding, documents_, &DocumentService::ListVersions);
    Bind(binding, documents_, &DocumentService::RestoreVersion);
  }
  void BindDrafts() {
    Bind(draft_binding_, drafts_, &DraftService::ListDrafts);
    Bind(draft_binding_, drafts_, &DraftService::GetDraft);
    Bind(draft_binding_, drafts_, &DraftService::MergeDraft);
    Bind(draft_binding_, drafts_, &DraftService::DropDraft);
  }
  void BindTheRest() {
    Bind(cluster_binding_, cluster_, &ClusterService::GetStatus);
    Bind(cluster_binding_, cluster_, &ClusterService::GetDurability);
    Bind(cluster_binding_, cluster_, &ClusterService::AddNode);
    Bind(cluster_binding_, cluster_, &ClusterService::PromoteNode);
    Bind(cluster_binding_, cluster_, &ClusterService::RemoveNode);
    Bind(cluster_binding_, cluster_, &ClusterService::TransferLeadership);
    Bind(cluster_binding_, cluster_, &ClusterService::TakeSnapshot);
    Bind(presence_binding_, presence_, &PresenceService::ListPresent);
    Bind(assist_binding_, assist_, &AssistService::ListSuggestions);
    Bind(assist_binding_, assist_, &AssistService::ResolveSuggestion);
  }

  CallRates rates_;
  const NodeCalls calls_;
  TurnThreads passwords_{kPasswordTurns};       // Stopped before the rest goes.
  WorkThreads draft_threads_{kDraftThreads};    // As these.
  TurnThreads assist_threads_{kAssistThreads};  // And these.
  WorkThreads backup_threads_{1};  // And this, which reads for faces that may not wait.
  Gate gate_;
  MethodTable methods_;
  AuthService auth_;
  DocumentService documents_;
  DraftService drafts_;
  NodeChannels channels_;
  ClusterWatch watch_;
  ClusterService cluster_;
  PresenceService presence_;
  const LlmServers llm_;
  const BuiltIn built_in_;
  AssistService assist_;
  AssistRuns assist_runs_;
  Backups backups_;
  EventHub hub_;
  PresenceHub presence_hub_;
  BoundService<v1::AuthService> auth_binding_;
  BoundService<v1::DocumentService> document_binding_;
  BoundService<v1::DraftService> draft_binding_;
  ClusterBinding cluster_binding_;
  EventService event_binding_;
  BackupService backup_binding_;
  PresenceBinding presence_binding_;
  AssistBinding assist_binding_;
  PeerService peers_;
  int client_port_ = 0;
  int peer_port_ = 0;
  std::unique_ptr<grpc::Server> peer_server_;
  std::unique_ptr<grpc::Server> client_server_;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(node::Node& node,
                                                      const ServerOptions& options) {
  if (sodium_init() < 0) return absl::InternalError("libsodium cannot get random numbers");
  auto impl = std::make_unique<Impl>(node, options);
  if (absl::Status status = impl->Start(options); !status.ok()) {
    impl->Stop(absl::InfinitePast());
    return status;
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Faces Server::faces() { return impl_->faces(); }

int Server::client_port() const { return impl_->client_port(); }

int Server::peer_port() const { return impl_->peer_port(); }

void Server::MakeFirstUser(const std::string& name, const std::string& password) {
  absl::StatusOr<std::string> hash = HashPassword(password);
  if (!hash.ok()) return;
  impl_->MakeFirstUser({.name = name, .password_hash = *std::move(hash), .is_admin = true},
                       kFirstUserTries);
}

void Server::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace coterie::rpc
