#include "gateway/y_websocket_session.h"

#include <absl/time/clock.h>

#include <utility>

#include "base/overload.h"
#include "gateway/limits.h"
#include "gateway/open_document.h"
#include "rpc/steady_time.h"
#include "yproto/frame.h"

namespace coterie::gateway {

YWebsocketSession::YWebsocketSession(Rooms& rooms, rpc::Gate& gate, RefusalPace& pace,
                                     Request request)
    : rooms_(rooms),
      gate_(gate),
      pace_(pace),
      counters_(rooms.counters()),
      request_(std::move(request)) {
  counters_.sockets_yjs.Add(1);
}

YWebsocketSession::~YWebsocketSession() { counters_.sockets_yjs.Add(-1); }

Flow YWebsocketSession::Start(const std::shared_ptr<Socket>& socket) {
  socket_ = socket;
  counters_.openings.Add();
  OpenDocument(rooms_, gate_,
               {.authorization = request_.authorization,
                .document = request_.document,
                .if_missing = request_.if_missing},
               socket->shard(), [self = shared_from_this()](OpenedDocument opened) {
                 if (self->socket_ == nullptr) return;
                 if (!opened.status.ok()) {
                   return self->Deny(CloseCodeOf(opened.status),
                                     std::string(opened.status.message()));
                 }
                 self->socket_->Trust();
                 self->doc_ = opened.document.doc;
                 self->member_ = self->rooms_.NextMemberId();
                 self->rooms_.Join(self->doc_, {.id = self->member_,
                                                .protocol = Protocol::kYWebsocket,
                                                .socket = self->socket_,
                                                .prefix = {},
                                                .caller = std::move(opened.caller),
                                                .role = opened.document.role,
                                                .revision = opened.document.revision,
                                                .client = self->rooms_.RandomClient(),
                                                .entry = std::move(opened.document.entry)});
                 self->socket_->Resume();
               });
  return Flow::kPause;
}

void YWebsocketSession::Deny(CloseCode code, const std::string& reason) {
  socket_->Send({}, Blob(yproto::EncodePermissionDenied(reason)));
  // Who may come back in a moment is not made to wait.
  const absl::Duration held =
      code == CloseCode::kTryAgain
          ? absl::ZeroDuration()
          : pace_.Next(request_.visitor, request_.document, rpc::SteadyNow());
  if (held == absl::ZeroDuration()) return socket_->Close(code, reason);
  socket_->shard().PostAfter(held, [weak = weak_from_this(), code, reason] {
    const auto self = weak.lock();
    if (self != nullptr && self->socket_ != nullptr) self->socket_->Close(code, reason);
  });
}

Flow YWebsocketSession::OnMessage(std::string message) {
  crdt::Lib0Reader reader(message);
  for (int i = 0; !reader.AtEnd(); ++i) {
    if (i == kMessagesPerFrameMax) reader.Fail("more than 64 messages are in one frame");
    yproto::Message parsed;
    if (const crdt::Malformed malformed = yproto::ReadMessage(reader, parsed)) {
      socket_->Close(CloseCode::kMalformed, std::string(malformed.reason));
      return Flow::kPause;
    }
    Handle(parsed);
  }
  return Flow::kContinue;
}

void YWebsocketSession::Handle(const yproto::Message& message) {
  std::visit(
      Overload{
          [this](const yproto::Sync& sync) {
            const Credit credit = socket_->Hold(sync.payload.size());
            rooms_.With(doc_, [id = member_, step = sync.step, payload = std::string(sync.payload),
                               credit](Room& room) mutable {
              room.OnSync(id, step, std::move(payload), credit);
            });
          },
          [this](const yproto::Awareness& awareness) {
            const Credit credit = socket_->Hold(awareness.update.size());
            rooms_.With(doc_, [id = member_, update = std::string(awareness.update), credit](
                                  Room& room) mutable { room.OnAwareness(id, std::move(update)); });
          },
          [this](const yproto::QueryAwareness&) {
            const Credit credit = socket_->Hold(kQuestionBytes);
            rooms_.With(doc_, [id = member_, credit](Room& room) { room.OnQueryAwareness(id); });
          },
          [](const yproto::PermissionDenied&) {}},
      message);
}

void YWebsocketSession::OnClosed() {
  socket_ = nullptr;
  if (member_ != 0) rooms_.With(doc_, [id = member_](Room& room) { room.Leave(id); });
}

Blob YWebsocketSession::KeepAlive() {
  static const Blob nothing(yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate({})));
  return nothing;
}

}  // namespace coterie::gateway
