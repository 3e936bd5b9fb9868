#include "rpc/peer_trouble.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "errors/connecting.h"

namespace coterie::rpc {
namespace {

// A restart of less is nothing to tell of.
constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr absl::Duration kBetweenLines = absl::Seconds(10);
constexpr std::size_t kReasonBytesMax = 4'096;
// gRPC 1.51 of a connection attempt that it gave up; and now and then of one that was refused, when
// nobody polled meanwhile.
constexpr char kGivenUp[] = "tcp handshaker shutdown";
constexpr char kTooLong[] = "connecting took too long";

// The text is another program's: one line, and not without end.
std::string ReasonOf(const grpc::Status& status) {
  const std::string& message = status.error_message();
  const bool is_refused = status.error_code() == grpc::StatusCode::PERMISSION_DENIED ||
                          status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  const std::string last_error = errors::LastErrorIn(message);
  std::string reason = is_refused           ? absl::StrCat("it says: ", message)
                       : last_error.empty() ? message
                                            : last_error;
  if (reason == kGivenUp) return kTooLong;
  if (reason.empty()) reason = "the connection ended";
  reason.resize(std::min(reason.size(), kReasonBytesMax));
  std::ranges::replace_if(reason, absl::ascii_iscntrl, ' ');
  return reason;
}

}  // namespace

PeerTrouble::PeerTrouble(NodeId peer, const std::string& address, Say say)
    : name_(absl::StrCat("node ", peer.value(), " (", address, ")")), say_(std::move(say)) {}

void PeerTrouble::StreamEnded(const StreamEnd& end) {
  if (end.has_carried && end.ended - end.began >= kPatience) {
    // It was reached meanwhile. Why no more, the next streams tell, unless they reach it.
    since_ = end.ended;
    said_.clear();
    reason_.clear();
    return;
  }
  since_ = std::min(since_, end.began);
  const std::string reason = ReasonOf(end.status);
  if (reason_.empty() || reason != kTooLong) reason_ = reason;
  if (end.ended - since_ < kPatience || reason_ == said_) return;
  if (end.ended - said_at_ < kBetweenLines) return;
  said_ = reason_;
  said_at_ = end.ended;
  say_({.level = node::Notice::Level::kWarning,
        .text = absl::StrCat(name_, " is not reached: ", reason_)});
}

}  // namespace coterie::rpc
