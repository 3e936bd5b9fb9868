#pragma once

// What a load is put on. A Target knows a cluster and makes its clients; a Client has one call in
// flight at a time, starts the next when told, and owns its key (or document). Both systems get the
// same channels, completion queues and reuse of messages: the difference measured is the servers'.
// A Client belongs to the thread of its completion queue.

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace coterie::bench {

enum class Work : std::uint8_t { kWrite, kRead };

class Client {
 public:
  virtual ~Client() = default;
  // Exactly one completion of `tag` on `queue` follows.
  virtual void Start(Work work, grpc::CompletionQueue& queue, void* tag) = 0;
  // Of the call that completed.
  const grpc::Status& status() const { return status_; }

 protected:
  // A context may serve one call only.
  grpc::ClientContext& FreshContext();
  grpc::Status status_;

 private:
  std::optional<grpc::ClientContext> context_;
};

class Target {
 public:
  virtual ~Target() = default;
  // Makes what the clients need (keys, documents, a session); says what failed.
  virtual grpc::Status Prepare(std::size_t clients) = 0;
  // `worker` is the thread that the client will belong to. Not while workers run.
  virtual std::unique_ptr<Client> MakeClient(std::size_t number, std::size_t worker) = 0;
};

struct TargetOptions {
  std::vector<std::string> nodes;  // "host:port".
  std::size_t channels = 4;
  std::size_t value_bytes = 256;
  bool only_leader = true;  // Else the clients are spread over all nodes.
};

std::unique_ptr<Target> MakeEtcdTarget(const TargetOptions& options);
std::unique_ptr<Target> MakeCoterieTarget(const TargetOptions& options);

// `count` connections, each its own, to the nodes in turn.
std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::vector<std::string>& nodes,
                                                    std::size_t count);
// Different bytes for each seed, printable.
std::string MakeValue(std::size_t size_bytes, std::uint64_t seed);

}  // namespace coterie::bench
