#pragma once

// Who writes into a document without having it open: a task of the assistant. Shown to those who
// have it open by whoever keeps their sockets, the gateway. Pure values.

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"

namespace coterie::rpc {

struct Guest {
  DocId doc;
  SessionId session;     // On whose behalf.
  std::string user;      // Whose session that is.
  std::string name;      // "AI for ann".
  std::uint64_t id = 0;  // The same from its coming to its going; random, below 2^32, not 0.
  std::string anchor;    // Where its cursor is: a Yjs relative position, as bytes. Empty = it goes.
};

// Any thread; must not block.
using GuestListener = std::function<void(const Guest&)>;

}  // namespace coterie::rpc
