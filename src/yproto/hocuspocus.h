#pragma once

// Hocuspocus' frames: many documents on one socket, each frame begins with the name of the one that
// it is about. The name may carry a session of the client's behind a NUL byte; what is sent back
// repeats name and session as they came. Sync and awareness have the bodies of y-protocols, so that
// one encoding serves both kinds of sockets. Pure values; views live as long as the bytes.
// Source: @hocuspocus/provider 2.15.3, 3.4.4 and 4.8.0, @hocuspocus/server 4.7.0.
//
//   frame := 9 | 10 | key:string body          (ping and pong are frames of one byte)
//   key   := name [NUL session]

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "yproto/frame.h"

namespace coterie::yproto {

struct Token {
  std::string_view token;
  std::string_view version;  // Of the provider; only from 4.0 on.
};
// What a server says to another; not taken from a client.
struct BroadcastStateless {};
struct Stateless {
  std::string_view payload;
};
// The document is closed on this socket.
struct Detach {};
struct Ping {};
struct Pong {};

using HocuspocusBody = std::variant<Sync, Awareness, Token, QueryAwareness, Stateless,
                                    BroadcastStateless, Detach, Ping, Pong>;

struct HocuspocusFrame {
  std::string_view key;       // Empty for Ping and Pong.
  std::string_view document;  // The key without the session.
  HocuspocusBody body;
};

crdt::Malformed ReadHocuspocus(std::string_view bytes, HocuspocusFrame& frame);

enum class Scope : std::uint8_t { kReadWrite, kReadOnly };
enum class SyncStatus : std::uint8_t { kRejected = 0, kSaved = 1 };

// What every frame about the document begins with; a body of one of those below, or of frame.h's
// EncodeSync and EncodeAwareness, follows.
std::string EncodeKey(std::string_view key);
std::string EncodeAskForToken();
std::string EncodeDenied(std::string_view reason);
std::string EncodeAuthenticated(Scope scope);
std::string EncodeStateless(std::string_view payload);
std::string EncodeDetached(std::string_view reason);
std::string EncodeSyncStatus(SyncStatus status);
// A whole frame, without a key.
std::string EncodePong();

}  // namespace coterie::yproto
