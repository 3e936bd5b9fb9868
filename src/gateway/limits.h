#pragma once

// What one client, or all of them together, may cost a node. Enforced before memory is spent;
// listed for users in docs/gateway.md. Constants.

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>

namespace coterie::gateway {

inline constexpr std::size_t kSocketsMax = 20'000;
inline constexpr std::size_t kSocketsPerAddressMax = 1'024;
inline constexpr std::size_t kMessageBytesMax = 4 << 20;
// From a socket on which nobody has logged in yet: a token and what providers send behind it.
inline constexpr std::size_t kStrangerMessageBytesMax = 64 << 10;
// From a socket on which somebody has logged in: what was written offline comes as one message. Of
// those above kMessageBytesMax so many are in memory at once; who comes then waits unread.
inline constexpr std::size_t kLargeMessageBytesMax = (16 << 20) + (64 << 10);
inline constexpr std::size_t kLargeMessagesMax = 8;
inline constexpr std::size_t kDocumentsPerSocketMax = 64;
// A document's name and the session behind it, which begin every message about it.
inline constexpr std::size_t kKeyBytesMax = 1 << 10;
inline constexpr std::size_t kMembersPerRoomMax = 4'096;
// Messages of y-protocols in one frame.
inline constexpr int kMessagesPerFrameMax = 64;
// From a socket whose documents are not open yet.
inline constexpr std::size_t kTokenBytesMax = 4 << 10;

// Read from a socket and not yet committed or refused: it is not read on meanwhile.
inline constexpr std::size_t kUnsettledBytesMax = 2 << 20;
// Waiting to be written to a socket. A single larger piece is sent if nothing waits before it.
inline constexpr std::size_t kSendQueueBytesMax = 8 << 20;
inline constexpr std::size_t kSendQueueFramesMax = 8'192;
// Messages that a socket may send at once, and per second in the long run.
inline constexpr double kMessagesBurst = 10'000;
inline constexpr double kMessagesPerSecond = 1'000;
// Between two answers to one member's state vectors, and between two to its questions who is here.
// The first comes at once.
inline constexpr absl::Duration kAnswerEvery = absl::Milliseconds(200);
// What a question that brings no bytes counts for, until it was heard.
inline constexpr std::size_t kQuestionBytes = 64;
// Messages with changes that a document's room sends at once, and per second in the long run.
inline constexpr double kPublishBurst = 15;
inline constexpr double kPublishPerSecond = 60;
// Between two messages with changes of one document, on a node that is late with everything.
inline constexpr absl::Duration kPublishPauseMax = absl::Milliseconds(50);
// Of events on their way from the apply thread to the rooms.
inline constexpr std::size_t kEventBytesMax = 64 << 20;
inline constexpr std::size_t kGossipOnItsWayMax = 4'096;

// Of a request's body that nobody's token has been looked at for, and that needs no place.
inline constexpr std::size_t kSmallBodyBytesMax = 64 << 10;
// Of larger bodies that are being read, all together, and of one address or one user. Who comes
// then is refused before it is read.
inline constexpr std::size_t kBodyBytesMax = 256 << 20;
inline constexpr std::size_t kBodyBytesEachMax = 64 << 20;
// Of what a refused client was still sending: read and forgotten, so that it gets its answer.
inline constexpr std::size_t kUnreadBytesMax = 16 << 20;
inline constexpr std::size_t kHeaderBytesMax = 16 << 10;
// Read of a request and not yet understood: the header, a chunk's line, trailers.
inline constexpr std::size_t kRequestBufferBytesMax = 64 << 10;
inline constexpr absl::Duration kHeaderTimeout = absl::Seconds(10);
inline constexpr absl::Duration kBodyTimeout = absl::Seconds(60);
// Until the reader of a stream has taken the next piece.
inline constexpr absl::Duration kStalledMax = absl::Seconds(60);
inline constexpr absl::Duration kKeepAliveTimeout = absl::Seconds(75);
// For all of a large message, once it has its place.
inline constexpr absl::Duration kLargeMessageTimeout = absl::Minutes(2);
inline constexpr absl::Duration kOpenTimeout = absl::Seconds(10);
// Nothing may have logged in on a socket for so long.
inline constexpr absl::Duration kLoginTimeout = absl::Seconds(15);
// Every provider drops a socket that brings no message for 30 s; pings do not count.
inline constexpr absl::Duration kQuietMax = absl::Seconds(20);
// A peer that answers no ping.
inline constexpr absl::Duration kSilentMax = absl::Seconds(60);
inline constexpr absl::Duration kCloseTimeout = absl::Seconds(5);

}  // namespace coterie::gateway
