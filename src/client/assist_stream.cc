#include "client/assist_stream.h"

#include <string>

#include "client/error_detail.h"
#include "client/server_stream.h"

namespace coterie::client {

absl::Status RunAssist(Nodes& nodes, const char* path, const google::protobuf::Message& request,
                       absl::Time deadline, const OnAssistEvent& on_event) {
  // Every node asks the same servers of the model. Whether to wait for a place in a queue that may
  // take minutes is for who asked to say.
  const auto is_of_model = [](const absl::Status& status) {
    const std::string reason = DetailOf(status).reason;
    return reason == "MODEL_UNAVAILABLE" || reason == "QUEUE_FULL";
  };
  // What it waits for is of no account any more where that is elsewhere.
  const auto is_lasting = [](const v1::AssistEvent& event) {
    return !event.has_queued() && !event.has_loading() && !event.has_reading();
  };
  return RunServerStream<v1::AssistEvent>(nodes, path, request, deadline, on_event, is_of_model,
                                          is_lasting);
}

}  // namespace coterie::client
