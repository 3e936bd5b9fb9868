// etcd 3.4 by its v3 API: Put and linearizable Range of one key a client.

#include <chrono>

#include "bench/target.h"
#include "etcd_kv.grpc.pb.h"

namespace coterie::bench {
namespace {

using etcdserverpb::KV;
using etcdserverpb::Maintenance;

class EtcdClient : public Client {
 public:
  EtcdClient(KV::Stub& stub, std::size_t number, std::size_t value_bytes) : stub_(stub) {
    put_.set_key("coterie-bench-" + std::to_string(number));
    put_.set_value(MakeValue(value_bytes, number));
    range_.set_key(put_.key());
  }

  void Start(Work work, grpc::CompletionQueue& queue, void* tag) override {
    if (work == Work::kWrite) {
      put_.mutable_value()->front() = static_cast<char>('a' + ++writes_ % 26);
      put_call_ = stub_.PrepareAsyncPut(&FreshContext(), put_, &queue);
      put_call_->StartCall();
      put_call_->Finish(&put_reply_, &status_, tag);
    } else {
      range_call_ = stub_.PrepareAsyncRange(&FreshContext(), range_, &queue);
      range_call_->StartCall();
      range_call_->Finish(&range_reply_, &status_, tag);
    }
  }

 private:
  KV::Stub& stub_;
  std::uint64_t writes_ = 0;
  etcdserverpb::PutRequest put_;
  etcdserverpb::PutResponse put_reply_;
  etcdserverpb::RangeRequest range_;
  etcdserverpb::RangeResponse range_reply_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::PutResponse>> put_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::RangeResponse>> range_call_;
};

class EtcdTarget : public Target {
 public:
  explicit EtcdTarget(const TargetOptions& options) : options_(options) {}

  grpc::Status Prepare(std::size_t /*clients*/) override {
    if (!stubs_.empty()) return grpc::Status::OK;
    std::vector<std::string> nodes = options_.nodes;
    if (options_.only_leader) {
      if (const grpc::Status status = FindLeader(nodes); !status.ok()) return status;
    }
    for (const auto& channel : Connect(nodes, options_.channels)) {
      stubs_.push_back(KV::NewStub(channel));
    }
    return grpc::Status::OK;
  }

  std::unique_ptr<Client> MakeClient(std::size_t number, std::size_t /*worker*/) override {
    return std::make_unique<EtcdClient>(*stubs_[number % stubs_.size()], number,
                                        options_.value_bytes);
  }

 private:
  static grpc::Status FindLeader(std::vector<std::string>& nodes) {
    grpc::Status status(grpc::StatusCode::UNAVAILABLE, "no node says that it leads");
    for (const std::string& node : nodes) {
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
      etcdserverpb::StatusResponse reply;
      const auto channel = grpc::CreateChannel(node, grpc::InsecureChannelCredentials());
      const grpc::Status called = Maintenance::NewStub(channel)->Status(&context, {}, &reply);
      if (!called.ok()) {
        status = called;
      } else if (reply.leader() != 0 && reply.leader() == reply.header().member_id()) {
        nodes = {std::string(node)};
        return grpc::Status::OK;
      }
    }
    return status;
  }

  TargetOptions options_;
  std::vector<std::unique_ptr<KV::Stub>> stubs_;
};

}  // namespace

std::unique_ptr<Target> MakeEtcdTarget(const TargetOptions& options) {
  return std::make_unique<EtcdTarget>(options);
}

}  // namespace coterie::bench
