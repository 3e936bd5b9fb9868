#pragma once

// The Connect protocol's bytes: how errors look in JSON, which HTTP status they have, how messages
// of a stream are enveloped. Pure functions. Source: connectrpc.com/docs/protocol.
//
//   envelope := flags:u8 length:u32 big endian, data      flags: 2 = the end of the stream

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <string_view>

namespace coterie::gateway {

enum class Coding : std::uint8_t { kJson, kProto };

// Of the content types application/json and application/proto, or with "connect+" of a stream.
std::optional<Coding> UnaryCoding(std::string_view content_type);
std::optional<Coding> StreamCoding(std::string_view content_type);

// kInvalidArgument if it is none.
absl::Status DecodeMessage(Coding coding, std::string_view bytes, google::protobuf::Message& to);
std::string EncodeMessage(Coding coding, const google::protobuf::Message& message);

int HttpStatusOf(const absl::Status& error);
// {"code":..., "message":..., "details":[...]}.
std::string ErrorJson(const absl::Status& error);

std::string Envelope(std::string_view data);
// The stream ended with `status`.
std::string EndEnvelope(const absl::Status& status);
// The data of the one envelope that `bytes` are.
std::optional<std::string_view> OpenEnvelope(std::string_view bytes);

}  // namespace coterie::gateway
