#include "rpc/tls.h"

#include <utility>

#include "runtime/status_macros.h"
#include "tls/pem.h"

namespace coterie::rpc {

absl::Status Tls::LoadClients(const TlsFiles& files) {
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key: give both or neither");
  }
  if (files.certificate.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(tls::Pair pair,
                   tls::LoadPair({"--tls-cert", files.certificate}, {"--tls-key", files.key}));
  ASSIGN_OR_RETURN(clients_.authority_pem, tls::LoadAuthority({"--tls-ca", files.authority}));
  clients_.chain_pem = std::move(pair.chain_pem);
  clients_.key_pem = std::move(pair.key_pem);
  return absl::OkStatus();
}

absl::Status Tls::LoadPeers(const TlsFiles& files) {
  const int given =
      !files.peer_certificate.empty() + !files.peer_key.empty() + !files.peer_authority.empty();
  if (given == 0) return absl::OkStatus();
  if (given < 3) {
    return absl::InvalidArgumentError(
        "--peer-tls-cert, --peer-tls-key and --peer-tls-ca: give all three or none");
  }
  ASSIGN_OR_RETURN(tls::Pair pair, tls::LoadPair({"--peer-tls-cert", files.peer_certificate},
                                                 {"--peer-tls-key", files.peer_key}));
  ASSIGN_OR_RETURN(peers_.authority_pem,
                   tls::LoadAuthority({"--peer-tls-ca", files.peer_authority}));
  peers_.chain_pem = std::move(pair.chain_pem);
  peers_.key_pem = std::move(pair.key_pem);
  return absl::OkStatus();
}

absl::Status Tls::LoadLlm(const TlsFiles& files) {
  const bool has_pair = !files.llm_certificate.empty();
  if (has_pair != !files.llm_key.empty() || (has_pair && files.llm_authority.empty())) {
    return absl::InvalidArgumentError(
        "--llm-tls-cert and --llm-tls-key: give both or neither, and --llm-tls-ca with them");
  }
  ASSIGN_OR_RETURN(llm_.authority_pem, tls::LoadAuthority({"--llm-tls-ca", files.llm_authority}));
  if (!has_pair) return absl::OkStatus();
  ASSIGN_OR_RETURN(tls::Pair pair, tls::LoadPair({"--llm-tls-cert", files.llm_certificate},
                                                 {"--llm-tls-key", files.llm_key}));
  llm_.chain_pem = std::move(pair.chain_pem);
  llm_.key_pem = std::move(pair.key_pem);
  return absl::OkStatus();
}

absl::StatusOr<Tls> Tls::Load(const TlsFiles& files) {
  Tls loaded;
  RETURN_IF_ERROR(loaded.LoadClients(files));
  RETURN_IF_ERROR(loaded.LoadPeers(files));
  RETURN_IF_ERROR(loaded.LoadLlm(files));
  return loaded;
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForClients() const {
  if (clients_.chain_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs = {{clients_.key_pem, clients_.chain_pem}};
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForPeers() const {
  if (peers_.chain_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = peers_.authority_pem;
  options.pem_key_cert_pairs = {{peers_.key_pem, peers_.chain_pem}};
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ToPeers() const {
  if (peers_.chain_pem.empty()) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = peers_.authority_pem,
                               .pem_private_key = peers_.key_pem,
                               .pem_cert_chain = peers_.chain_pem});
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ToClientPorts() const {
  if (clients_.chain_pem.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = clients_.authority_pem;
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ToLlmServers() const {
  if (llm_.authority_pem.empty()) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = llm_.authority_pem,
                               .pem_private_key = llm_.key_pem,
                               .pem_cert_chain = llm_.chain_pem});
}

}  // namespace coterie::rpc
