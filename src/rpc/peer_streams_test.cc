// What a node is told of the peers that it does not reach, over gRPC's real connections.

#include "rpc/peer_streams.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "rpc/peer_service.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

class Notices {
 public:
  void Add(const node::Notice& notice) {
    absl::MutexLock lock(&mutex_);
    texts_.push_back(notice.text);
  }
  // Of the first that comes.
  std::string Await() {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !texts_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&is_there), kPatience);
    return texts_.empty() ? "nothing was said" : texts_.front();
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mutex_);
};

// A node of cluster 8 that listens for other nodes, without TLS.
class Listener {
 public:
  Listener() {
    CHECK(mkdtemp(folder_.data()) != nullptr);
    node_ = *node::Node::Start({.data_path = folder_,
                                .id = NodeId(2),
                                .cluster_id = 8,
                                .founders = {{.id = NodeId(2), .address = "x:1"}}},
                               nobody_);
    service_.emplace(*node_, 8);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&*service_);
    server_ = builder.BuildAndStart();
    CHECK(server_ != nullptr);
  }
  ~Listener() {
    Stop();
    node_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_->Wait();
    server_.reset();
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "peers.XXXXXX").string();
  PeerStreams nobody_{8, NodeId(2), grpc::InsecureChannelCredentials()};
  std::unique_ptr<node::Node> node_;
  std::optional<PeerService> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// What node 1 of `cluster` is told of node 2 when it goes on sending there.
std::string WhyNotReached(std::uint64_t cluster, const std::string& address,
                          std::shared_ptr<grpc::ChannelCredentials> credentials) {
  Notices notices;
  PeerStreams streams(cluster, NodeId(1), std::move(credentials),
                      [&notices](const node::Notice& notice) { notices.Add(notice); });
  streams.SetMembers({{.id = NodeId(2), .address = address}});
  std::atomic<bool> is_over{false};
  std::jthread sender([&] {
    absl::Notification never;
    while (!is_over.load()) {
      std::vector<node::Frame> frames;
      frames.push_back({.to = NodeId(2), .bytes = "no frame"});
      streams.Send(std::move(frames));
      never.WaitForNotificationWithTimeout(absl::Milliseconds(20));
    }
  });
  const std::string said = notices.Await();
  is_over.store(true);
  return said;
}

TEST(PeerStreams, SayWhyAPeerIsNotReached) {
  Listener listener;
  const std::string name = absl::StrCat("node 2 (", listener.address(), ") is not reached: ");
  const std::string other_cluster =
      WhyNotReached(7, listener.address(), grpc::InsecureChannelCredentials());
  EXPECT_EQ(other_cluster,
            name +
                "it says: this node is of another cluster; compare the cluster ids that both were "
                "started with");
  const std::string no_tls =
      WhyNotReached(8, listener.address(), grpc::SslCredentials(grpc::SslCredentialsOptions()));
  EXPECT_TRUE(absl::StrContains(no_tls, name)) << no_tls;
  EXPECT_TRUE(absl::StrContains(no_tls, "Ssl handshake failed")) << no_tls;

  listener.Stop();
  const std::string refused =
      WhyNotReached(8, listener.address(), grpc::InsecureChannelCredentials());
  EXPECT_TRUE(absl::StrContains(refused, name)) << refused;
  EXPECT_TRUE(absl::StrContains(refused, "Connection refused")) << refused;
}

}  // namespace
}  // namespace coterie::rpc
