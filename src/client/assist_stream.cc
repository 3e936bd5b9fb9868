#include "client/assist_stream.h"

#include <memory>

#include "client/error_detail.h"
#include "coterie/v1/assist.grpc.pb.h"

namespace coterie::client {
namespace {

struct Attempt {
  absl::Status status;
  bool has_event = false;
};

Attempt RunOn(const Connection& connection, const std::string& token, const char* path,
              const google::protobuf::Message& request, absl::Time deadline,
              const OnAssistEvent& on_event) {
  Attempt attempt;
  grpc::ClientContext context;
  Prepare(context, token, deadline);
  const grpc::internal::RpcMethod method(path, grpc::internal::RpcMethod::SERVER_STREAMING,
                                         connection.channel());
  const std::unique_ptr<grpc::ClientReader<v1::AssistEvent>> reader(
      grpc::internal::ClientReaderFactory<v1::AssistEvent>::Create(
          connection.channel().get(), method, &context, ToBytes(request)));
  v1::AssistEvent event;
  while (reader->Read(&event)) {
    attempt.has_event = true;
    if (!on_event(event)) context.TryCancel();
  }
  attempt.status = FromGrpc(reader->Finish());
  return attempt;
}

}  // namespace

absl::Status RunAssist(Nodes& nodes, const char* path, const google::protobuf::Message& request,
                       absl::Time deadline, const OnAssistEvent& on_event) {
  Tour tour(nodes, deadline);
  while (const std::shared_ptr<Connection> connection = tour.Next()) {
    const Attempt attempt = RunOn(*connection, nodes.token(), path, request, deadline, on_event);
    if (attempt.status.ok()) {
      nodes.Succeeded(connection->address());
      return attempt.status;
    }
    // Every node asks the same servers of the model.
    const bool is_of_model = DetailOf(attempt.status).reason == "MODEL_UNAVAILABLE";
    if (attempt.has_event || is_of_model || !tour.Absorb(attempt.status)) return attempt.status;
  }
  return tour.Failure();
}

}  // namespace coterie::client
