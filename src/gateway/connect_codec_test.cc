#include "gateway/connect_codec.h"

#include <gtest/gtest.h>

#include "coterie/v1/auth.pb.h"
#include "coterie/v1/documents.pb.h"
#include "rpc/status_map.h"

namespace coterie::gateway {
namespace {

using namespace std::string_literals;

TEST(ConnectCodec, KnowsItsContentTypes) {
  EXPECT_EQ(UnaryCoding("application/json"), Coding::kJson);
  EXPECT_EQ(UnaryCoding("Application/JSON; charset=utf-8"), Coding::kJson);
  EXPECT_EQ(UnaryCoding("application/proto"), Coding::kProto);
  EXPECT_EQ(UnaryCoding("application/connect+json"), std::nullopt);
  EXPECT_EQ(UnaryCoding("text/json"), std::nullopt);
  EXPECT_EQ(StreamCoding("application/connect+proto"), Coding::kProto);
  EXPECT_EQ(StreamCoding("application/json"), std::nullopt);
}

TEST(ConnectCodec, AnErrorIsJsonWithItsDetails) {
  const absl::Status error = rpc::Error(absl::StatusCode::kNotFound, "NOT_FOUND", "no \"x\"\n");
  const std::string json = ErrorJson(error);
  EXPECT_EQ(HttpStatusOf(error), 404);
  EXPECT_TRUE(json.starts_with(R"({"code":"not_found","message":"no \"x\"\u000a","details":[)"))
      << json;
  EXPECT_NE(json.find(R"("type":"google.rpc.ErrorInfo")"), std::string::npos) << json;
  EXPECT_EQ(json.find('='), std::string::npos) << "Base64 without padding";
  EXPECT_NE(json.find(R"("debug":{"reason":"NOT_FOUND","domain":"coterie.dev"})"),
            std::string::npos)
      << json;
  const std::string busy = ErrorJson(rpc::Overloaded("busy", absl::Milliseconds(200)));
  EXPECT_NE(busy.find(R"("debug":{"retryDelay":"0.200s"})"), std::string::npos) << busy;
}

TEST(ConnectCodec, EnvelopesHaveTheirLengthInFront) {
  EXPECT_EQ(Envelope("abc"), "\0\0\0\0\3abc"s);
  EXPECT_EQ(EndEnvelope(absl::OkStatus()), "\2\0\0\0\2{}"s);
  EXPECT_EQ(OpenEnvelope("\0\0\0\0\3abc"s), "abc");
  EXPECT_EQ(OpenEnvelope("\0\0\0\0\3ab"s), std::nullopt);
  EXPECT_EQ(OpenEnvelope("\0\0\0\0\3abcd"s), std::nullopt);
  EXPECT_EQ(OpenEnvelope("\1\0\0\0\3abc"s), std::nullopt) << "compressed";
  EXPECT_EQ(OpenEnvelope("\0\xff\xff\xff\xff"s), std::nullopt);
  EXPECT_EQ(OpenEnvelope(""), std::nullopt);
}

TEST(ConnectCodec, WhatIsNoMessageIsRefused) {
  v1::LoginRequest request;
  EXPECT_TRUE(DecodeMessage(Coding::kJson, R"({"user":"mia"})", request).ok());
  EXPECT_EQ(request.user(), "mia");
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeMessage(Coding::kJson, "{", request)));
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeMessage(Coding::kJson, R"({"user":1})", request)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(DecodeMessage(Coding::kJson, "{\"user\":\"\xff\"}", request)));
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeMessage(Coding::kProto, "\x0a\x05x", request)));
  const std::string deep = std::string(100'000, '[');
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeMessage(Coding::kJson, deep, request)));
}

// A typing error must not pass for a field that was left out: a write without a text empties.
TEST(ConnectCodec, AFieldThatDoesNotExistIsRefusedByName) {
  v1::WriteDocumentRequest write;
  absl::Status status = DecodeMessage(
      Coding::kJson, R"({"document":{"name":"notes"},"lockToken":"64","txt":"hello"})", write);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("txt"), std::string::npos) << status;
  EXPECT_EQ(status.message().find(".."), std::string::npos) << status;
  status = DecodeMessage(Coding::kJson, R"({"document":{"nme":"notes"}})", write);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("nme"), std::string::npos) << status;

  v1::GetDocumentRequest get;
  status = DecodeMessage(Coding::kJson, R"({"consistency":"FOO"})", get);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("FOO"), std::string::npos) << status;
  EXPECT_TRUE(DecodeMessage(Coding::kJson, R"({"without_text":true})", get).ok()) << "either case";

  // In binary a field of a newer client is passed over, as everywhere.
  EXPECT_TRUE(DecodeMessage(Coding::kProto, "\xfa\x3f\x01x", get).ok());
}

}  // namespace
}  // namespace coterie::gateway
