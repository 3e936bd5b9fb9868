#pragma once

// Who a node is on its gRPC ports, and whom it believes. Three planes, each with or without TLS:
// clients, who check the node's certificate and prove themselves by a token; the other nodes, who
// prove themselves to each other by certificates of one authority (mutual TLS); and the language
// model's servers, to whom the node is a client. Read once, when the node starts: a new certificate
// needs a restart.
// Not here: the HTTP port (gateway/), which shows the same certificate as the clients' port.

#include <absl/status/statusor.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

namespace coterie::rpc {

// Paths of PEM files; "" = none.
struct TlsFiles {
  std::string certificate;  // Of the clients' port, with the chain that leads to its authority,
  std::string key;          // and its key. Both or neither.
  // Who signs the other nodes' certificates for clients; "" = whom this machine trusts.
  std::string authority;
  // Of the port for nodes, both as a server and towards others. All three or none.
  std::string peer_certificate;
  std::string peer_key;
  std::string peer_authority;  // Should sign nodes of this cluster alone: whoever it signs is one.
  // Who signs the language model's servers; "" = they have no TLS.
  std::string llm_authority;
  // What the node shows to those that want to know who asks. Both or neither.
  std::string llm_certificate;
  std::string llm_key;
};

class Tls {
 public:
  // kInvalidArgument, naming flag and file: one is missing, cannot be read, is no PEM of its kind,
  // or a key does not belong to its certificate.
  static absl::StatusOr<Tls> Load(const TlsFiles& files);
  // None on any plane.
  Tls() = default;

  std::shared_ptr<grpc::ServerCredentials> ForClients() const;
  std::shared_ptr<grpc::ServerCredentials> ForPeers() const;
  // Towards other nodes: at their port for nodes, and at the one for clients.
  std::shared_ptr<grpc::ChannelCredentials> ToPeers() const;
  std::shared_ptr<grpc::ChannelCredentials> ToClientPorts() const;
  std::shared_ptr<grpc::ChannelCredentials> ToLlmServers() const;

 private:
  struct Plane {
    std::string chain_pem;  // "" = no TLS.
    std::string key_pem;
    std::string authority_pem;  // "" = whom this machine trusts.
  };

  absl::Status LoadClients(const TlsFiles& files);
  absl::Status LoadPeers(const TlsFiles& files);
  absl::Status LoadLlm(const TlsFiles& files);

  Plane clients_;
  Plane peers_;
  Plane llm_;  // Without an authority no TLS; the pair is for servers that want one.
};

}  // namespace coterie::rpc
