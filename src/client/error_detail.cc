#include "client/error_detail.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace coterie::client {
namespace {

// The payload is a serialised google.rpc.Status, as gRPC's trailer "grpc-status-details-bin" is:
//   Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
//   Any       { string type_url = 1; bytes value = 2; }
//   ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
//   RetryInfo { Duration retry_delay = 1; }    Duration { int64 seconds = 1; int32 nanos = 2; }
// Read field by field here: four messages of two fields are not worth a dependency on their protos.
constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";
constexpr std::string_view kErrorInfo = "google.rpc.ErrorInfo";
constexpr std::string_view kRetryInfo = "google.rpc.RetryInfo";
constexpr std::size_t kDetailsBytesMax = 64 << 10;
constexpr std::int64_t kRetrySecondsMax = 3600;

constexpr std::uint64_t kVarintType = 0;
constexpr std::uint64_t kFixed64Type = 1;
constexpr std::uint64_t kBytesType = 2;
constexpr std::uint64_t kFixed32Type = 5;

// Calls visit(field number, varint, bytes) per field; the one that does not apply is 0 or empty.
// False when `message` is malformed.
template <class Visit>
bool VisitFields(std::string_view message, Visit visit) {
  ByteReader reader(message);
  while (reader.ok() && reader.remaining_bytes() > 0) {
    const std::uint64_t tag = reader.Varint();
    const std::uint64_t type = tag & 7;
    if (type == kVarintType) {
      const std::uint64_t value = reader.Varint();
      if (reader.ok()) visit(tag >> 3, value, std::string_view());
    } else if (type == kBytesType) {
      const std::string_view bytes = reader.Bytes();
      if (reader.ok()) visit(tag >> 3, std::uint64_t{0}, bytes);
    } else if (type == kFixed64Type) {
      reader.Fixed64();
    } else if (type == kFixed32Type) {
      reader.Fixed32();
    } else {
      reader.Fail();
    }
  }
  return reader.ok();
}

void ReadErrorInfo(std::string_view message, ErrorDetail& detail) {
  VisitFields(message, [&](std::uint64_t field, std::uint64_t, std::string_view bytes) {
    if (field == 1) detail.reason = std::string(bytes);
    if (field != 3) return;
    std::string key;
    std::string value;
    VisitFields(bytes, [&](std::uint64_t part, std::uint64_t, std::string_view text) {
      if (part == 1) key = std::string(text);
      if (part == 2) value = std::string(text);
    });
    detail.metadata.insert_or_assign(std::move(key), std::move(value));
  });
}

void ReadRetryInfo(std::string_view message, ErrorDetail& detail) {
  VisitFields(message, [&](std::uint64_t field, std::uint64_t, std::string_view duration) {
    if (field != 1) return;
    absl::Duration delay = absl::ZeroDuration();
    VisitFields(duration, [&](std::uint64_t part, std::uint64_t value, std::string_view) {
      const auto number = static_cast<std::int64_t>(value);
      if (number < 0) return;
      if (part == 1) delay += absl::Seconds(std::min(number, kRetrySecondsMax));
      if (part == 2 && number < 1'000'000'000) delay += absl::Nanoseconds(number);
    });
    detail.retry_after = delay;
  });
}

void ReadAny(std::string_view message, ErrorDetail& detail) {
  std::string_view type;
  std::string_view value;
  VisitFields(message, [&](std::uint64_t field, std::uint64_t, std::string_view bytes) {
    if (field == 1) type = bytes;
    if (field == 2) value = bytes;
  });
  type.remove_prefix(type.rfind('/') == std::string_view::npos ? 0 : type.rfind('/') + 1);
  if (type == kErrorInfo) ReadErrorInfo(value, detail);
  if (type == kRetryInfo) ReadRetryInfo(value, detail);
}

std::string EncodeErrorInfo(const ErrorDetail& detail) {
  ByteWriter info;
  info.Varint(1 << 3 | kBytesType);
  info.Bytes(detail.reason);
  for (const auto& [key, value] : detail.metadata) {
    ByteWriter entry;
    entry.Varint(1 << 3 | kBytesType);
    entry.Bytes(key);
    entry.Varint(2 << 3 | kBytesType);
    entry.Bytes(value);
    info.Varint(3 << 3 | kBytesType);
    info.Bytes(entry.view());
  }
  return info.Take();
}

std::string EncodeRetryInfo(absl::Duration delay) {
  ByteWriter duration;
  duration.Varint(1 << 3 | kVarintType);
  duration.Varint(static_cast<std::uint64_t>(absl::ToInt64Seconds(delay)));
  duration.Varint(2 << 3 | kVarintType);
  duration.Varint(static_cast<std::uint64_t>(absl::ToInt64Nanoseconds(delay) % 1'000'000'000));
  ByteWriter info;
  info.Varint(1 << 3 | kBytesType);
  info.Bytes(duration.view());
  return info.Take();
}

void AppendAny(ByteWriter& status, std::string_view type, std::string_view value) {
  ByteWriter any;
  any.Varint(1 << 3 | kBytesType);
  any.Bytes("type.googleapis.com/" + std::string(type));
  any.Varint(2 << 3 | kBytesType);
  any.Bytes(value);
  status.Varint(3 << 3 | kBytesType);
  status.Bytes(any.view());
}

}  // namespace

std::string ErrorDetail::Get(const std::string& key) const {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // Both enumerations are google.rpc.Code.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const std::string details = status.error_details();
  if (!details.empty() && details.size() <= kDetailsBytesMax) {
    result.SetPayload(kPayloadUrl, absl::Cord(details));
  }
  return result;
}

ErrorDetail DetailOf(const absl::Status& status) {
  ErrorDetail detail;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload) return detail;
  const std::string bytes(*payload);
  VisitFields(bytes, [&](std::uint64_t field, std::uint64_t, std::string_view any) {
    if (field == 3) ReadAny(any, detail);
  });
  return detail;
}

void SetDetail(absl::Status& status, const ErrorDetail& detail) {
  CHECK(!status.ok());
  ByteWriter bytes;
  bytes.Varint(1 << 3 | kVarintType);
  bytes.Varint(static_cast<std::uint64_t>(status.code()));
  if (!detail.reason.empty()) AppendAny(bytes, kErrorInfo, EncodeErrorInfo(detail));
  if (detail.retry_after) AppendAny(bytes, kRetryInfo, EncodeRetryInfo(*detail.retry_after));
  status.SetPayload(kPayloadUrl, absl::Cord(bytes.Take()));
}

}  // namespace coterie::client
