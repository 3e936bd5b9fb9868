#pragma once

// What a stock y-websocket (2 or 3) says on its socket: one document, named by the address; the
// token came with the request. The socket is not read until the document is open. Lives on the
// socket's shard.

#include <memory>
#include <string>

#include "gateway/refusal_pace.h"
#include "gateway/rooms.h"
#include "gateway/socket.h"
#include "rpc/gate.h"

namespace coterie::gateway {

class YWebsocketSession final : public Session,
                                public std::enable_shared_from_this<YWebsocketSession> {
 public:
  struct Request {
    std::string document;
    std::string authorization;  // "Bearer TOKEN".
    IfMissing if_missing = IfMissing::kFail;
    std::string visitor;  // The address that asks.
  };
  // All outlive the session.
  YWebsocketSession(Rooms& rooms, rpc::Gate& gate, RefusalPace& pace, Request request);
  ~YWebsocketSession() override;

  Flow Start(const std::shared_ptr<Socket>& socket) override;
  Flow OnMessage(std::string message) override;
  void OnClosed() override;
  Blob KeepAlive() override;

 private:
  void Deny(CloseCode code, const std::string& reason);
  void Handle(const yproto::Message& message);

  Rooms& rooms_;
  rpc::Gate& gate_;
  RefusalPace& pace_;
  Counters& counters_;  // Outlives the rooms.
  const Request request_;
  std::shared_ptr<Socket> socket_;  // Null before Start() and after OnClosed().
  DocId doc_;
  std::uint64_t member_ = 0;  // 0 = not joined.
};

}  // namespace coterie::gateway
