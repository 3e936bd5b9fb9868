#include "rpc/peer_streams.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/crc32c.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kFetchTimeout = absl::Seconds(10);
constexpr std::size_t kSliceBytesMax = 16 << 20;

}  // namespace

PeerStreams::~PeerStreams() {
  std::vector<std::shared_ptr<PeerLane>> closing;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, peer] : peers_) Close(peer);
    peers_.clear();
    closing.swap(closing_);
  }
}

void PeerStreams::Close(Peer& peer) {
  for (std::shared_ptr<PeerLane>* lane : {&peer.control, &peer.appends}) {
    (*lane)->Close();
    closing_.push_back(std::move(*lane));
  }
}

void PeerStreams::Send(std::vector<node::Frame> frames) {
  for (node::Frame& frame : frames) {
    std::shared_ptr<PeerLane> lane;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = peers_.find(frame.to);
      if (found == peers_.end()) continue;
      lane = frame.lane == node::Lane::kAppends ? found->second.appends : found->second.control;
    }
    lane->Send(std::move(frame.bytes));
  }
}

void PeerStreams::SetMembers(const std::vector<raft::Member>& members) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(closing_, [](const auto& lane) { return lane->IsGone(); });
  for (auto it = peers_.begin(); it != peers_.end();) {
    const bool stays = std::any_of(members.begin(), members.end(), [&](const auto& member) {
      return member.id == it->first && member.address == it->second.address;
    });
    if (!stays) Close(it->second);
    it = stays ? std::next(it) : peers_.erase(it);
  }
  for (const raft::Member& member : members) {
    if (member.id == self_ || member.address.empty() || peers_.contains(member.id)) continue;
    using enum node::Lane;
    const auto open = [&](node::Lane kind) {
      // What goes wrong on both is said once.
      auto trouble = kind == kControl && on_notice_
                         ? std::make_unique<PeerTrouble>(member.id, member.address, on_notice_)
                         : nullptr;
      auto lane = std::make_shared<PeerLane>(ConnectToPeer(member.address, credentials_), kind,
                                             greeting_, std::move(trouble));
      lane->Start();
      return lane;
    };
    peers_[member.id] = {
        .address = member.address, .control = open(kControl), .appends = open(kAppends)};
  }
}

absl::StatusOr<node::Peers::SnapshotSlice> PeerStreams::FetchSnapshot(NodeId leader, Term term,
                                                                      std::uint64_t transfer_id,
                                                                      std::uint64_t offset) {
  std::shared_ptr<grpc::Channel> channel;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = peers_.find(leader);
    if (found == peers_.end()) {
      return absl::UnavailableError(absl::StrCat("node ", leader.value(), " is not a known peer"));
    }
    if (!found->second.snapshots) {
      found->second.snapshots = ConnectToPeer(found->second.address, credentials_);
    }
    channel = found->second.snapshots;
  }
  internal::v1::FetchSnapshotRequest request;
  request.set_cluster_id(greeting_.cluster_id);
  request.set_from_node(self_.value());
  request.set_term(term.value());
  request.set_transfer_id(transfer_id);
  request.set_offset_bytes(offset);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kFetchTimeout));
  const auto reader = internal::v1::PeerService::NewStub(channel)->FetchSnapshot(&context, request);
  SnapshotSlice slice;
  internal::v1::FetchSnapshotResponse response;
  while (slice.bytes.size() < kSliceBytesMax && reader->Read(&response)) {
    if (response.offset_bytes() != offset + slice.bytes.size() ||
        response.crc32c() != ComputeCrc32c(response.chunk())) {
      context.TryCancel();
      return absl::DataLossError(
          absl::StrCat("a piece of the snapshot was damaged on its way from node ", leader.value(),
                       " at byte ", response.offset_bytes()));
    }
    slice.bytes.append(response.chunk());
    slice.total_bytes = response.total_bytes();
  }
  if (!slice.bytes.empty()) {
    context.TryCancel();
    return slice;  // If the stream broke, the rest is asked for next.
  }
  const grpc::Status status = reader->Finish();
  if (status.ok()) return slice;
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace coterie::rpc
