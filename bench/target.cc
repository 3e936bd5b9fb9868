#include "bench/target.h"

#include <chrono>

#include "base/prng.h"

namespace coterie::bench {

grpc::ClientContext& Client::FreshContext() {
  context_.emplace();
  context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return *context_;
}

std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::vector<std::string>& nodes,
                                                    std::size_t count) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (std::size_t i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    // Without this, channels to one address share one connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(nodes[i % nodes.size()],
                                                 grpc::InsecureChannelCredentials(), arguments));
  }
  return channels;
}

std::string MakeValue(std::size_t size_bytes, std::uint64_t seed) {
  Prng prng(seed);
  std::string value(size_bytes, ' ');
  for (char& byte : value) byte = static_cast<char>('a' + prng.Below(26));
  return value;
}

}  // namespace coterie::bench
