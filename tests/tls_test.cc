// A cluster with TLS on both planes: clients check whom they talk to, and nobody without a
// certificate of the nodes' authority gets as far as to speak to a node as a node.

#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "coterie/internal/v1/peer.grpc.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "coterie/v1/documents.pb.h"
#include "tests/authority.h"
#include "tests/cluster_process.h"
#include "tests/pacing.h"

namespace coterie::tests {
namespace {

std::unique_ptr<client::Client> Open(const ClusterProcess& cluster, const std::string& ca_pem,
                                     absl::Duration timeout) {
  auto client = client::Client::Open({.addresses = cluster.client_addresses(),
                                      .credentials = {.ca_pem = ca_pem},
                                      .call_timeout = timeout});
  return client.ok() ? *std::move(client) : nullptr;
}

// Whether gRPC gets through the handshake.
bool CanConnect(const std::string& address,
                const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel(address, credentials, arguments);
  return channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
}

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ours_.made() && others_.made());
    auto cluster = ClusterProcess::Start(
        3, {.flags = {"--tls-cert", ours_.certificate(), "--tls-key", ours_.key(), "--tls-ca",
                      ours_.ca(), "--peer-tls-cert", ours_.certificate(), "--peer-tls-key",
                      ours_.key(), "--peer-tls-ca", ours_.ca()}});
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
  }

  Authority ours_;
  Authority others_;
  std::unique_ptr<ClusterProcess> cluster_;
};

TEST_F(TlsTest, ItServesAndNodesAskEachOther) {
  const auto client = Open(*cluster_, ReadWhole(ours_.ca()), absl::Seconds(20));
  ASSERT_NE(client, nullptr);
  const auto login = client->Login("ann", "");
  ASSERT_TRUE(login.ok()) << login.status();
  v1::CreateDocumentRequest create;
  create.set_name("notes");
  ASSERT_TRUE(client->Call(create).ok());
  // What a node says of the others it asked them, at their ports for clients.
  EXPECT_TRUE(WaitUntil(
      [&] {
        const auto status = client->Call(v1::GetStatusRequest{});
        if (!status.ok() || status->nodes_size() != 3) return false;
        return std::all_of(status->nodes().begin(), status->nodes().end(),
                           [](const auto& node) { return node.is_reachable(); });
      },
      absl::Seconds(20)));
}

TEST_F(TlsTest, AClientBelievesNobodyElse) {
  const auto client = Open(*cluster_, ReadWhole(others_.ca()), absl::Seconds(2));
  ASSERT_NE(client, nullptr);
  EXPECT_FALSE(CanConnect(cluster_->client_address(1),
                          grpc::SslCredentials({.pem_root_certs = ReadWhole(others_.ca())})));
  EXPECT_TRUE(CanConnect(cluster_->client_address(1),
                         grpc::SslCredentials({.pem_root_certs = ReadWhole(ours_.ca())})));
  const auto login = client->Login("ann", "");
  EXPECT_EQ(login.status().code(), absl::StatusCode::kUnavailable) << login.status();
  EXPECT_NE(login.status().message().find("certificate"), std::string::npos) << login.status();
}

TEST_F(TlsTest, OnlyNodesReachThePortOfNodes) {
  const std::string address = cluster_->peer_address(1);
  EXPECT_FALSE(CanConnect(address, grpc::InsecureChannelCredentials()));
  // TLS 1.3 tells a client that shows no certificate, or another authority's, only after its side
  // of the handshake: what counts is that no call gets through.
  const auto call = [&](const grpc::SslCredentialsOptions& options) {
    const auto channel = grpc::CreateChannel(address, grpc::SslCredentials(options));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
    internal::v1::FetchSnapshotRequest request;
    request.set_cluster_id(1);
    const auto reader =
        internal::v1::PeerService::NewStub(channel)->FetchSnapshot(&context, request);
    internal::v1::FetchSnapshotResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish().error_code();
  };
  EXPECT_EQ(call({.pem_root_certs = ReadWhole(ours_.ca())}), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call({.pem_root_certs = ReadWhole(ours_.ca()),
                  .pem_private_key = ReadWhole(others_.key()),
                  .pem_cert_chain = ReadWhole(others_.certificate())}),
            grpc::StatusCode::UNAVAILABLE);
  const grpc::StatusCode known = call({.pem_root_certs = ReadWhole(ours_.ca()),
                                       .pem_private_key = ReadWhole(ours_.key()),
                                       .pem_cert_chain = ReadWhole(ours_.certificate())});
  EXPECT_NE(known, grpc::StatusCode::UNAVAILABLE);  // It is heard, and asked for its cluster.
  EXPECT_NE(known, grpc::StatusCode::OK);
}

TEST(TlsFlags, WhatDoesNotFitIsToldBeforeAnythingStarts) {
  const Authority ours;
  const Authority others;
  ASSERT_TRUE(ours.made() && others.made());
  const auto refusal = [](const std::vector<std::string>& flags) {
    const auto cluster = ClusterProcess::Start(1, {.flags = flags});
    return cluster.ok() ? "started" : std::string(cluster.status().message());
  };
  EXPECT_NE(refusal({"--tls-cert", ours.certificate(), "--tls-key", others.key()})
                .find("is not the key of"),
            std::string::npos);
  EXPECT_NE(
      refusal({"--tls-cert", ours.key(), "--tls-key", ours.key()}).find("holds no certificate"),
      std::string::npos);
  EXPECT_NE(refusal({"--tls-cert", "/etc", "--tls-key", ours.key()})
                .find("/etc: the file cannot be read"),
            std::string::npos);
  EXPECT_NE(
      refusal({"--tls-cert", ours.ca() + "x", "--tls-key", ours.key()}).find("cannot be read"),
      std::string::npos);
  EXPECT_NE(refusal({"--peer-tls-cert", ours.certificate(), "--peer-tls-key", ours.key()})
                .find("all three or none"),
            std::string::npos);
}

}  // namespace
}  // namespace coterie::tests
