#include "gateway/connect_codec.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <google/protobuf/util/json_util.h>

#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "rpc/status_map.h"
#include "yproto/awareness_state.h"

namespace coterie::gateway {
namespace {

constexpr char kEndOfStream = 2;

struct CodeName {
  absl::StatusCode code;
  const char* name;
  int http;
};
// As the protocol's table has them.
constexpr CodeName kCodes[] = {
    {absl::StatusCode::kCancelled, "canceled", 499},
    {absl::StatusCode::kUnknown, "unknown", 500},
    {absl::StatusCode::kInvalidArgument, "invalid_argument", 400},
    {absl::StatusCode::kDeadlineExceeded, "deadline_exceeded", 504},
    {absl::StatusCode::kNotFound, "not_found", 404},
    {absl::StatusCode::kAlreadyExists, "already_exists", 409},
    {absl::StatusCode::kPermissionDenied, "permission_denied", 403},
    {absl::StatusCode::kResourceExhausted, "resource_exhausted", 429},
    {absl::StatusCode::kFailedPrecondition, "failed_precondition", 400},
    {absl::StatusCode::kAborted, "aborted", 409},
    {absl::StatusCode::kOutOfRange, "out_of_range", 400},
    {absl::StatusCode::kUnimplemented, "unimplemented", 501},
    {absl::StatusCode::kInternal, "internal", 500},
    {absl::StatusCode::kUnavailable, "unavailable", 503},
    {absl::StatusCode::kDataLoss, "data_loss", 500},
    {absl::StatusCode::kUnauthenticated, "unauthenticated", 401},
};

const CodeName& NameOf(const absl::Status& error) {
  for (const CodeName& name : kCodes) {
    if (name.code == error.code()) return name;
  }
  return kCodes[1];
}

// What a detail says, for people; empty if it is of no kind that our servers send.
template <class Message>
std::string ReadableAs(const google::protobuf::Any& detail) {
  Message message;
  if (!detail.UnpackTo(&message)) return "";
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &json));
  return json;
}
std::string Readable(const google::protobuf::Any& detail) {
  const std::string info = ReadableAs<google::rpc::ErrorInfo>(detail);
  return info.empty() ? ReadableAs<google::rpc::RetryInfo>(detail) : info;
}

std::string DetailJson(const google::protobuf::Any& detail) {
  const std::string type = detail.type_url().substr(detail.type_url().rfind('/') + 1);
  std::string value = absl::Base64Escape(detail.value());
  while (value.ends_with('=')) value.pop_back();
  const std::string readable = Readable(detail);
  return absl::StrCat("{\"type\":", yproto::QuoteJson(type), ",\"value\":\"", value, "\"",
                      readable.empty() ? "" : ",\"debug\":", readable, "}");
}

std::optional<Coding> CodingOf(std::string_view content_type, const std::string& prefix) {
  std::string type(content_type.substr(0, content_type.find(';')));
  absl::StripTrailingAsciiWhitespace(&type);
  absl::AsciiStrToLower(&type);
  if (type == "application/" + prefix + "json") return Coding::kJson;
  if (type == "application/" + prefix + "proto") return Coding::kProto;
  return std::nullopt;
}

}  // namespace

std::optional<Coding> UnaryCoding(std::string_view content_type) {
  return CodingOf(content_type, "");
}
std::optional<Coding> StreamCoding(std::string_view content_type) {
  return CodingOf(content_type, "connect+");
}

// A member of JSON that the message has no field for is refused by its name, where Connect's own
// servers pass over it: with a typing error in it, a request that writes would do something else
// than was meant. In binary, unknown fields are passed over.
absl::Status DecodeMessage(Coding coding, std::string_view bytes, google::protobuf::Message& to) {
  std::string why = "it is cut off, damaged, or a text in it is not valid UTF-8";
  if (coding == Coding::kProto) {
    if (to.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  } else if (IsValidUtf8(bytes)) {
    const auto status =
        google::protobuf::util::JsonStringToMessage({bytes.data(), bytes.size()}, &to);
    if (status.ok()) return absl::OkStatus();
    why = std::string(absl::StripSuffix(std::string(status.message()), "."));
  }
  return rpc::Error(
      absl::StatusCode::kInvalidArgument, "MALFORMED",
      absl::StrCat("The request is no ", to.GetDescriptor()->full_name(), ": ", why, "."));
}

std::string EncodeMessage(Coding coding, const google::protobuf::Message& message) {
  if (coding == Coding::kProto) return message.SerializeAsString();
  std::string json;
  // A message of our own can always be written.
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &json));
  return json;
}

int HttpStatusOf(const absl::Status& error) { return NameOf(error).http; }

std::string ErrorJson(const absl::Status& error) {
  std::string json =
      absl::StrCat("{\"code\":\"", NameOf(error).name,
                   "\",\"message\":", yproto::QuoteJson(std::string(error.message())));
  google::rpc::Status rich;
  if (rich.ParseFromString(rpc::ToGrpc(error).error_details()) && rich.details_size() > 0) {
    absl::StrAppend(&json, ",\"details\":[");
    for (int i = 0; i < rich.details_size(); ++i) {
      absl::StrAppend(&json, i == 0 ? "" : ",", DetailJson(rich.details(i)));
    }
    absl::StrAppend(&json, "]");
  }
  absl::StrAppend(&json, "}");
  return json;
}

namespace {

std::string EnvelopeOf(char flags, std::string_view data) {
  std::string bytes(1, flags);
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((data.size() >> shift) & 0xff));
  }
  bytes.append(data);
  return bytes;
}

}  // namespace

std::string Envelope(std::string_view data) { return EnvelopeOf(0, data); }

std::string EndEnvelope(const absl::Status& status) {
  return EnvelopeOf(kEndOfStream,
                    status.ok() ? "{}" : absl::StrCat("{\"error\":", ErrorJson(status), "}"));
}

std::optional<std::string_view> OpenEnvelope(std::string_view bytes) {
  if (bytes.size() < 5 || bytes[0] != 0) return std::nullopt;
  std::size_t size = 0;
  for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
  if (bytes.size() != 5 + size) return std::nullopt;
  return bytes.substr(5);
}

}  // namespace coterie::gateway
