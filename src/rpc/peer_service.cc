#include "rpc/peer_service.h"

#include <utility>

#include "base/crc32c.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
// Per call; the reader asks again where it has come to.
constexpr int kChunksMax = 16;

template <class Request>
class FrameReader final : public grpc::ServerReadReactor<Request> {
 public:
  FrameReader(node::Node& node, const grpc::Status& refusal) : node_(node) {
    if (refusal.ok()) {
      this->StartRead(&request_);
    } else {
      this->Finish(refusal);
    }
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    for (const std::string& frame : request_.frames()) node_.Deliver(frame);
    this->StartRead(&request_);
  }
  void OnDone() override { delete this; }

  node::Node& node_;
  Request request_;
};

class SnapshotWriter final : public grpc::ServerWriteReactor<internal::v1::FetchSnapshotResponse> {
 public:
  SnapshotWriter(node::Node& node, const internal::v1::FetchSnapshotRequest& request)
      : node_(node), request_(request), offset_(request.offset_bytes()) {
    WriteNext();
  }
  explicit SnapshotWriter(node::Node& node) : node_(node) { Finish(OtherCluster()); }

 private:
  void WriteNext() {
    absl::StatusOr<node::Peers::SnapshotSlice> slice =
        node_.ReadSnapshot(NodeId(request_.from_node()), Term(request_.term()),
                           request_.transfer_id(), offset_, kChunkBytes);
    if (!slice.ok()) {
      return Finish(grpc::Status(static_cast<grpc::StatusCode>(slice.status().code()),
                                 std::string(slice.status().message())));
    }
    response_.set_offset_bytes(offset_);
    response_.set_crc32c(ComputeCrc32c(slice->bytes));
    response_.set_total_bytes(slice->total_bytes);
    offset_ += slice->bytes.size();
    ++chunks_;
    is_last_ = slice->bytes.empty() || offset_ >= slice->total_bytes || chunks_ >= kChunksMax;
    *response_.mutable_chunk() = std::move(slice->bytes);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok || is_last_) return Finish(grpc::Status::OK);
    WriteNext();
  }
  void OnDone() override { delete this; }

  node::Node& node_;
  const internal::v1::FetchSnapshotRequest request_;
  std::uint64_t offset_ = 0;
  int chunks_ = 0;
  bool is_last_ = false;
  internal::v1::FetchSnapshotResponse response_;
};

}  // namespace

grpc::ServerReadReactor<internal::v1::FramesRequest>* PeerService::Appends(
    grpc::CallbackServerContext* context, internal::v1::FramesResponse* /*response*/) {
  return new FrameReader<internal::v1::FramesRequest>(node_, CheckGreeting(*context, own_));
}

grpc::ServerReadReactor<internal::v1::ControlRequest>* PeerService::Control(
    grpc::CallbackServerContext* context, internal::v1::ControlResponse* /*response*/) {
  return new FrameReader<internal::v1::ControlRequest>(node_, CheckGreeting(*context, own_));
}

grpc::ServerWriteReactor<internal::v1::FetchSnapshotResponse>* PeerService::FetchSnapshot(
    grpc::CallbackServerContext* /*context*/, const internal::v1::FetchSnapshotRequest* request) {
  if (request->cluster_id() != own_.cluster_id) return new SnapshotWriter(node_);
  return new SnapshotWriter(node_, *request);
}

}  // namespace coterie::rpc
