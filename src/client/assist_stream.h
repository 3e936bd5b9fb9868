#pragma once

// One question to the language model behind the cluster: a server stream of AssistEvent, read to
// its end. Another node is asked if one fails before its first event, those that say what it waits
// for not counted, and never after: what has been shown cannot be taken back. Blocks; one owner.

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <functional>

#include "client/nodes.h"
#include "coterie/v1/assist.pb.h"

namespace coterie::client {

template <class Request>
struct AssistMethod;

#define COTERIE_ASSIST(name)                                                 \
  template <>                                                                \
  struct AssistMethod<v1::name##Request> {                                   \
    static constexpr const char* kPath = "/coterie.v1.AssistService/" #name; \
  }

COTERIE_ASSIST(Ask);
COTERIE_ASSIST(Summarize);
COTERIE_ASSIST(Grammar);
COTERIE_ASSIST(Enhance);
COTERIE_ASSIST(Continue);

#undef COTERIE_ASSIST

// `on_event` runs for every event, on this thread; false gives the question up (kCancelled).
// Errors: the cluster's own, QUEUE_FULL with when to come again among them; kUnavailable = no node
// could be reached, or the node, or the model's server, died during the answer.
using OnAssistEvent = std::function<bool(const v1::AssistEvent&)>;
absl::Status RunAssist(Nodes& nodes, const char* path, const google::protobuf::Message& request,
                       absl::Time deadline, const OnAssistEvent& on_event);

}  // namespace coterie::client
