#include "client/assist_stream.h"

#include "client/error_detail.h"
#include "client/server_stream.h"

namespace coterie::client {

absl::Status RunAssist(Nodes& nodes, const char* path, const google::protobuf::Message& request,
                       absl::Time deadline, const OnAssistEvent& on_event) {
  // Every node asks the same servers of the model.
  const auto is_of_model = [](const absl::Status& status) {
    return DetailOf(status).reason == "MODEL_UNAVAILABLE";
  };
  return RunServerStream<v1::AssistEvent>(nodes, path, request, deadline, on_event, is_of_model);
}

}  // namespace coterie::client
