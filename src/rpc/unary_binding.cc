#include "rpc/unary_binding.h"

#include "rpc/deadline.h"

namespace coterie::rpc {

std::string AuthorizationOf(const grpc::CallbackServerContext& context) {
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return {};
  return std::string(found->second.data(), found->second.size());
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context, const Policy& policy) {
  return DeadlineAt(absl::Now(), absl::FromChrono(context.deadline()), policy);
}

absl::Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  grpc::ByteBuffer copy(bytes);  // Shares the bytes.
  grpc::ProtoBufferReader reader(&copy);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
               "The request is no " + message.GetDescriptor()->full_name() +
                   ": it is cut off, damaged, or a text in it is not valid UTF-8.");
}

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      const google::protobuf::MethodDescriptor& method = *file.service(i)->method(j);
      if (method.input_type() == &request) return method;
    }
  }
  CHECK(false && "no method has this request");
}

absl::Status UnaryReactor::Enter(const Policy& policy, std::size_t request_bytes) {
  policy_ = &policy;
  begun_ = absl::Now();
  absl::Status status = gate_.Enter(policy, request_bytes);
  has_entered_ = status.ok();
  request_bytes_ = request_bytes;
  return status;
}

void UnaryReactor::Answer(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes = Serialize(message);
  if (is_answered_.exchange(true)) return;
  response_->Swap(&bytes);
  Observe(CallTimes::Outcome::kAnswered);
  Finish(grpc::Status::OK);
}

void UnaryReactor::Refuse(const absl::Status& error) {
  if (is_answered_.exchange(true)) return;
  Observe(CallTimes::Outcome::kFailed);
  Finish(ToGrpc(error));
}

// Before Finish(): gRPC may then delete this.
void UnaryReactor::Observe(CallTimes::Outcome outcome) {
  CHECK(policy_ != nullptr);
  gate_.times().Observe(*policy_, absl::ToDoubleSeconds(absl::Now() - begun_), outcome);
}

void UnaryReactor::OnCancel() {
  if (is_answered_.exchange(true)) return;
  Observe(CallTimes::Outcome::kFailed);
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the call was given up"));
}

}  // namespace coterie::rpc
