#include "sim/newer_program.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "base/crc32c.h"
#include "node/peer_codec.h"
#include "sim/server.h"
#include "state/command.h"

namespace coterie::sim {
namespace {

constexpr std::size_t kChecksumOffset = 1;
constexpr std::size_t kBodyOffset = 5;
constexpr std::uint64_t kTermsAhead = 1'000'000;
// Version, then session and request without any: one byte each.
constexpr std::size_t kCommandKindOffset = 5;

void SetVersion(std::string& frame, std::uint8_t version) {
  frame[0] = static_cast<char>(version);
  const std::string_view view = frame;
  const std::uint32_t crc =
      ExtendCrc32c(ComputeCrc32c(view.substr(0, 1)), view.substr(kBodyOffset));
  for (std::size_t i = 0; i < sizeof(crc); ++i) {
    frame[kChecksumOffset + i] = static_cast<char>(crc >> (8 * i));
  }
}

// Of a later version, or of a kind that is added later.
std::string NewerCommand(Prng& prng) {
  std::string command = state::EncodeCommand({.body = state::Logout{}});
  if (prng.Chance(1, 2)) {
    command[0] = static_cast<char>(command[0] + 1);
  } else {
    command[kCommandKindOffset] = static_cast<char>(std::variant_size_v<state::CommandBody>);
  }
  return command;
}

}  // namespace

std::string SayAsNewerProgram(NodeId from, NodeId to, Prng& prng) {
  node::PeerMessage message{
      .cluster_id = kClusterId, .from = from, .newest = node::kPeerVersionNewest + 1};
  const bool is_request = prng.Chance(1, 2);
  if (is_request) {
    message.body = node::ForwardedProposal{.waiter = 0, .command = Blob(NewerCommand(prng))};
  } else {
    // Whoever believed it would follow a leader that there is not.
    message.body =
        raft::Message{.from = from, .to = to, .term = Term(kTermsAhead), .body = raft::Heartbeat{}};
  }
  std::string frame = EncodePeerMessage(message, node::kPeerVersionNewest);
  if (!is_request) SetVersion(frame, node::kPeerVersionNewest + 1);
  return frame;
}

}  // namespace coterie::sim
