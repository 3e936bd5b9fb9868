#include "llm/server.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"
#include "tls/pem.h"

namespace coterie::llm {
namespace {

// A document's text, which has 64 MiB at most, and a question: what does not fit the context is
// refused with a reason, which gRPC would not give.
constexpr int kRequestBytesMax = 65 << 20;
constexpr std::size_t kMemoryMax = 256 << 20;
constexpr absl::Duration kLastWrites = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> LoadCredentials(const TlsFiles& files) {
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key: give both or neither");
  }
  if (files.certificate.empty()) {
    if (files.client_authority.empty()) return grpc::InsecureServerCredentials();
    return absl::InvalidArgumentError("--tls-ca needs --tls-cert and --tls-key beside it");
  }
  ASSIGN_OR_RETURN(tls::Pair pair,
                   tls::LoadPair({"--tls-cert", files.certificate}, {"--tls-key", files.key}));
  ASSIGN_OR_RETURN(std::string authority_pem,
                   tls::LoadAuthority({"--tls-ca", files.client_authority}));
  grpc::SslServerCredentialsOptions options(
      authority_pem.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = std::move(authority_pem);
  options.pem_key_cert_pairs = {{std::move(pair.key_pem), std::move(pair.chain_pem)}};
  return grpc::SslServerCredentials(options);
}

Server::Server(Options options) : options_(std::move(options)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Options options) {
  CHECK(options.credentials != nullptr);
  std::unique_ptr<Server> server(new Server(std::move(options)));
  const std::string& listen = server->options_.listen;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 500);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  grpc::ResourceQuota quota("llm");
  quota.Resize(kMemoryMax);
  builder.SetResourceQuota(quota);
  builder.AddListeningPort(listen, server->options_.credentials, &server->port_);
  builder.RegisterService(server->options_.service.get());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen at ", listen,
        ": the port is taken by another program, or the address is not this machine's"));
  }
  return server;
}

void Server::SetHealthy(bool is_healthy) {
  server_->GetHealthCheckService()->SetServingStatus(is_healthy);
}

void Server::Stop(absl::Time deadline) {
  server_->GetHealthCheckService()->Shutdown();
  options_.stop(deadline);
  server_->Shutdown(absl::ToChronoTime(absl::Now() + kLastWrites));
}

}  // namespace coterie::llm
