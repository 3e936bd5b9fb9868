#pragma once

// What a stock @hocuspocus/provider (2 to 4) says on its socket: many documents, each opened with a
// token of its own. While one is being opened the socket is not read, so that nothing has to be
// kept for it meanwhile. Lives on the socket's shard.

#include <absl/time/time.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "gateway/rooms.h"
#include "gateway/socket.h"
#include "rpc/gate.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {

struct DocumentRequest;
struct OpenedDocument;

class HocuspocusSession final : public Session,
                                public std::enable_shared_from_this<HocuspocusSession> {
 public:
  // Both outlive the session.
  HocuspocusSession(Rooms& rooms, rpc::Gate& gate, IfMissing if_missing);
  ~HocuspocusSession() override;

  Flow Start(const std::shared_ptr<Socket>& socket) override;
  Flow OnMessage(std::string message) override;
  void OnClosed() override;
  Blob KeepAlive() override;

 private:
  struct Attached {
    DocId doc;
    std::uint64_t member = 0;
    Blob prefix;
  };
  Flow Handle(const yproto::HocuspocusFrame& frame);
  Flow Open(const yproto::HocuspocusFrame& frame, const yproto::Token& token);
  absl::Duration PauseBeforeOpening(const std::string& key, absl::Time now);
  void BeginToOpen(const std::string& key, const DocumentRequest& request);
  void OnOpened(const std::string& key, OpenedDocument opened);
  void Detach(const std::string& key);
  void Deny(const std::string& key, const std::string& reason);

  Rooms& rooms_;
  rpc::Gate& gate_;
  Counters& counters_;  // Outlives the rooms.
  const IfMissing if_missing_;
  std::shared_ptr<Socket> socket_;  // Null before Start() and after OnClosed().
  bool has_opened_ = false;
  std::map<std::string, Attached> attached_;  // By key.
  // Each of the first keys is opened at once the first time, whatever comes then not faster than
  // a member is answered.
  std::set<std::string> opened_once_;
  absl::Time opened_again_at_ = absl::InfinitePast();
};

}  // namespace coterie::gateway
