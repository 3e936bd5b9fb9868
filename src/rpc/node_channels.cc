#include "rpc/node_channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "raft/configuration.h"

namespace coterie::rpc {
namespace {

// Addresses change seldom; what is in use lives on.
constexpr std::size_t kChannelsMax = 4 * raft::kMembersMax;

}  // namespace

std::shared_ptr<grpc::Channel> NodeChannels::To(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  if (channels_.size() >= kChannelsMax) channels_.clear();
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel != nullptr) return channel;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  channel = grpc::CreateCustomChannel(address, credentials_, arguments);
  return channel;
}

}  // namespace coterie::rpc
