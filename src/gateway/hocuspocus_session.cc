#include "gateway/hocuspocus_session.h"

#include <algorithm>
#include <utility>

#include "base/overload.h"
#include "gateway/limits.h"
#include "gateway/open_document.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {

HocuspocusSession::HocuspocusSession(Rooms& rooms, rpc::Gate& gate, IfMissing if_missing)
    : rooms_(rooms), gate_(gate), counters_(rooms.counters()), if_missing_(if_missing) {
  counters_.sockets_hocuspocus.Add(1);
}

HocuspocusSession::~HocuspocusSession() { counters_.sockets_hocuspocus.Add(-1); }

Flow HocuspocusSession::Start(const std::shared_ptr<Socket>& socket) {
  socket_ = socket;
  socket->shard().PostAfter(kLoginTimeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->socket_ == nullptr || self->has_opened_) return;
    self->socket_->Close(CloseCode::kTimeout, "no document was opened in time");
  });
  return Flow::kContinue;
}

Flow HocuspocusSession::OnMessage(std::string message) {
  yproto::HocuspocusFrame frame;
  crdt::Malformed malformed = yproto::ReadHocuspocus(message, frame);
  if (frame.key.size() > kKeyBytesMax) malformed = {.reason = "a document's key is above 1 KiB"};
  if (malformed) {
    socket_->Close(CloseCode::kMalformed, std::string(malformed.reason));
    return Flow::kPause;
  }
  return Handle(frame);
}

// Settles what no room takes over.
Flow HocuspocusSession::Handle(const yproto::HocuspocusFrame& frame) {
  const std::string key(frame.key);
  if (const auto* token = std::get_if<yproto::Token>(&frame.body)) return Open(frame, *token);
  if (std::holds_alternative<yproto::Ping>(frame.body)) {
    static const Blob pong(yproto::EncodePong());
    socket_->Send({}, pong);
    return Flow::kContinue;
  }
  if (std::holds_alternative<yproto::Detach>(frame.body)) {
    if (attached_.contains(key)) {
      socket_->Send(Blob(yproto::EncodeKey(key)),
                    Blob(yproto::EncodeDetached("provider_initiated")));
      Detach(key);
    }
    return Flow::kContinue;
  }
  const auto found = attached_.find(key);
  if (found == attached_.end()) return Flow::kContinue;  // Of one that was denied or closed.
  const auto [doc, id, prefix] = found->second;
  std::visit(Overload{[this, doc = doc, id = id](const yproto::Sync& sync) {
                        const Credit credit = socket_->Hold(sync.payload.size());
                        rooms_.With(doc, [id, step = sync.step, payload = std::string(sync.payload),
                                          credit](Room& room) mutable {
                          room.OnSync(id, step, std::move(payload), credit);
                        });
                      },
                      [this, doc = doc, id = id](const yproto::Awareness& awareness) {
                        const Credit credit = socket_->Hold(awareness.update.size());
                        rooms_.With(doc, [id, update = std::string(awareness.update),
                                          credit](Room& room) mutable {
                          room.OnAwareness(id, std::move(update));
                        });
                      },
                      [this, doc = doc, id = id](const yproto::QueryAwareness&) {
                        const Credit credit = socket_->Hold(kQuestionBytes);
                        rooms_.With(doc, [id, credit](Room& room) { room.OnQueryAwareness(id); });
                      },
                      [this, doc = doc, id = id](const yproto::Stateless& stateless) {
                        const Credit credit = socket_->Hold(stateless.payload.size());
                        rooms_.With(doc, [id, payload = std::string(stateless.payload),
                                          credit](Room& room) { room.OnStateless(id, payload); });
                      },
                      [](const auto&) {}},
             frame.body);
  return Flow::kContinue;
}

// A document that is opened anew is sent anew: what a member may ask for 5 times a second comes no
// more often this way.
absl::Duration HocuspocusSession::PauseBeforeOpening(const std::string& key, absl::Time now) {
  if (opened_once_.size() < kDocumentsPerSocketMax && opened_once_.insert(key).second) return {};
  const absl::Time due = std::max(now, opened_again_at_ + kAnswerEvery);
  opened_again_at_ = due;
  return due - now;
}

Flow HocuspocusSession::Open(const yproto::HocuspocusFrame& frame, const yproto::Token& token) {
  const std::string key(frame.key);
  Detach(key);  // A new token for a document that is open: from the beginning.
  if (attached_.size() >= kDocumentsPerSocketMax) {
    Deny(key, "this socket has 64 documents open, the most; close some, or open another socket");
    return Flow::kContinue;
  }
  if (token.token.size() > kTokenBytesMax) {
    Deny(key, "the token is too long");
    return Flow::kContinue;
  }
  DocumentRequest request{.authorization = "Bearer " + std::string(token.token),
                          .document = std::string(frame.document),
                          .if_missing = if_missing_};
  const absl::Duration pause = PauseBeforeOpening(key, rpc::SteadyNow());
  if (pause <= absl::ZeroDuration()) {
    BeginToOpen(key, request);
  } else {
    socket_->shard().PostAfter(pause, [weak = weak_from_this(), key, request] {
      const auto self = weak.lock();
      if (self != nullptr && self->socket_ != nullptr) self->BeginToOpen(key, request);
    });
  }
  return Flow::kPause;
}

void HocuspocusSession::BeginToOpen(const std::string& key, const DocumentRequest& request) {
  counters_.openings.Add();
  OpenDocument(rooms_, gate_, request, socket_->shard(),
               [self = shared_from_this(), key](OpenedDocument opened) {
                 if (self->socket_ == nullptr) return;
                 self->OnOpened(key, std::move(opened));
                 if (self->socket_ != nullptr) self->socket_->Resume();
               });
}

void HocuspocusSession::OnOpened(const std::string& key, OpenedDocument opened) {
  if (!opened.status.ok()) {
    const CloseCode code = CloseCodeOf(opened.status);
    const std::string reason(opened.status.message());
    // Nobody has done anything wrong: the provider comes back by itself.
    if (code == CloseCode::kTryAgain) return socket_->Close(code, reason);
    return Deny(key, reason);
  }
  has_opened_ = true;
  socket_->Trust();
  Attached& attached = attached_[key];
  attached = {.doc = opened.document.doc,
              .member = rooms_.NextMemberId(),
              .prefix = Blob(yproto::EncodeKey(key))};
  rooms_.Join(attached.doc, {.id = attached.member,
                             .protocol = Protocol::kHocuspocus,
                             .socket = socket_,
                             .prefix = attached.prefix,
                             .caller = std::move(opened.caller),
                             .role = opened.document.role,
                             .revision = opened.document.revision,
                             .client = rooms_.RandomClient(),
                             .entry = std::move(opened.document.entry)});
}

void HocuspocusSession::Deny(const std::string& key, const std::string& reason) {
  socket_->Send(Blob(yproto::EncodeKey(key)), Blob(yproto::EncodeDenied(reason)));
}

void HocuspocusSession::Detach(const std::string& key) {
  const auto found = attached_.find(key);
  if (found == attached_.end()) return;
  rooms_.With(found->second.doc, [id = found->second.member](Room& room) { room.Leave(id); });
  attached_.erase(found);
}

void HocuspocusSession::OnClosed() {
  while (!attached_.empty()) Detach(attached_.begin()->first);
  socket_ = nullptr;
}

Blob HocuspocusSession::KeepAlive() {
  if (attached_.empty()) return {};
  static const std::string nothing = yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate({}));
  return Blob(std::string(attached_.begin()->second.prefix.view()) + nothing);
}

}  // namespace coterie::gateway
