// What HTTP asks of a port: whoever waits for leave to send a body gets it, and whoever sends what
// is malformed is told so, where HTTP has an answer for it, before the connection ends.

#include <gtest/gtest.h>

#include <string>

#include "gateway/limits.h"
#include "gateway/test_port.h"

namespace coterie::gateway {
namespace {

class HttpPort : public PortTest {
 protected:
  // The whole answer to `request` and what comes behind it, until the connection ends. It must be
  // the port that ends it.
  std::string AnswerTo(const std::string& request) {
    RawClient client = Connect();
    EXPECT_TRUE(client.Send(request)) << client.error.message();
    std::string answer = client.Rest();
    EXPECT_EQ(client.error, asio::error::eof) << client.error.message();
    return answer;
  }
  static std::string StatusOf(const std::string& answer) { return answer.substr(0, 12); }
  // Of a call of WhoAmI, up to the fields that a test adds.
  std::string Call() const {
    return "POST /coterie.v1.AuthService/WhoAmI HTTP/1.1\r\nHost: 127.0.0.1\r\n"
           "Authorization: Bearer " +
           ana_.token + "\r\nContent-Type: application/json\r\n";
  }
};

// --- Expect: 100-continue ---

TEST_F(HttpPort, WhoAsksWhetherToSendABodyIsAnswered) {
  RawClient client = Connect();
  ASSERT_TRUE(client.Send(Call() + "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"));
  client.patience = std::chrono::seconds(5);
  ASSERT_EQ(client.Next(), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.Send("{}"));
  EXPECT_EQ(StatusOf(client.Next()), "HTTP/1.1 200");
  // The connection goes on.
  ASSERT_TRUE(client.Send(Call() + "Content-Length: 2\r\n\r\n{}"));
  EXPECT_EQ(StatusOf(client.Next()), "HTTP/1.1 200");
}

TEST_F(HttpPort, WhoAsksBeforeALargeBodyIsAnsweredWhenItHasItsPlace) {
  const std::string head =
      "POST /coterie.v1.DocumentService/WriteDocument HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n";
  RawClient client = Connect();
  ASSERT_TRUE(client.Send(head + "Authorization: Bearer " + ana_.token + "\r\n\r\n"));
  client.patience = std::chrono::seconds(5);
  EXPECT_EQ(client.Next(), "HTTP/1.1 100 Continue\r\n\r\n");

  // A refusal is the answer at once.
  RawClient stranger = Connect();
  ASSERT_TRUE(stranger.Send(head + "Authorization: Bearer x\r\n\r\n"));
  EXPECT_EQ(StatusOf(stranger.Next()), "HTTP/1.1 401");
}

TEST_F(HttpPort, WhoSendsTheBodyAnywayIsNotAskedForIt) {
  RawClient client = Connect();
  ASSERT_TRUE(client.Send(Call() + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"));
  EXPECT_EQ(StatusOf(client.Next()), "HTTP/1.1 200");
}

// --- What is malformed ---

TEST_F(HttpPort, WhatIsMalformedIsAnswered) {
  for (const std::string& request : {
           std::string("GET\r\n\r\n"),
           std::string("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nno colon\r\n\r\n"),
           std::string("GET /healthz HTTP/9.x\r\nHost: 127.0.0.1\r\n\r\n"),
           std::string("GET /heal thz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
           std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
           Call() + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
           Call() + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
           Call() + "Content-Length: two\r\n\r\n{}",
           Call() + "Content-Length: -2\r\n\r\n{}",
           Call() + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
           Call() + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
       }) {
    const std::string answer = AnswerTo(request);
    EXPECT_EQ(StatusOf(answer), "HTTP/1.1 400") << request;
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with(".\n")) << answer;
  }
}

TEST_F(HttpPort, AHeaderThatIsTooLargeIsAnswered) {
  const std::string head = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: ";
  const std::string answer = AnswerTo(head + std::string(200'000, 'c') + "\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), "HTTP/1.1 431");
  EXPECT_NE(answer.find(std::to_string(kHeaderBytesMax)), std::string::npos) << answer;
}

// What the answer to the request before was, a stranger's is not.
TEST_F(HttpPort, WhatIsMalformedIsAnsweredAfterOthers) {
  RawClient client = Connect();
  ASSERT_TRUE(client.Send(
      "HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://a.example\r\n\r\n"));
  EXPECT_EQ(StatusOf(client.Next()), "HTTP/1.1 200");
  ASSERT_TRUE(client.Send("GET\r\n\r\n"));
  const std::string answer = client.Rest();
  EXPECT_EQ(StatusOf(answer), "HTTP/1.1 400");
  EXPECT_EQ(answer.find("Vary"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with(".\n")) << answer;
}

// A proxy before the node may have looked at the other one.
TEST_F(HttpPort, ARequestHasOneHost) {
  EXPECT_EQ(StatusOf(AnswerTo("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                              "Host: evil.example\r\n\r\n")),
            "HTTP/1.1 400");
  EXPECT_EQ(StatusOf(AnswerTo("GET /healthz HTTP/1.1\r\n\r\n")), "HTTP/1.1 400");
}

// Where a body of a coding that is not understood ends is a matter of opinion: what follows must
// not be taken for another request.
TEST_F(HttpPort, ABodyIsSentAsItIsOrInChunks) {
  const std::string behind = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const auto answers = [&](const std::string& fields) {
    const std::string answer = AnswerTo(Call() + fields + "\r\n" + behind);
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << answer;
    return StatusOf(answer);
  };
  EXPECT_EQ(answers("Transfer-Encoding: gzip, chunked\r\n"), "HTTP/1.1 501");
  EXPECT_EQ(answers("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), "HTTP/1.1 501");
  EXPECT_EQ(answers("Transfer-Encoding: gzip\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(answers("Transfer-Encoding: gzip\r\nContent-Length: 2\r\n"), "HTTP/1.1 400");

  RawClient client = Connect();
  ASSERT_TRUE(client.Send(Call() + "Transfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"));
  EXPECT_EQ(StatusOf(client.Next()), "HTTP/1.1 200");
}

TEST_F(HttpPort, AMethodThatIsNotServedIsNamedWhateverItBrings) {
  const std::string fields = " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
  const std::string put = AnswerTo("PUT /notes" + fields + "Content-Length: 5\r\n\r\nhello");
  EXPECT_EQ(StatusOf(put), "HTTP/1.1 405");
  EXPECT_NE(put.find("\r\nAllow: GET, HEAD\r\n"), std::string::npos) << put;
  const std::string api =
      AnswerTo("PUT /coterie.v1.AuthService/WhoAmI" + fields + "Content-Length: 5\r\n\r\nhello");
  EXPECT_EQ(StatusOf(api), "HTTP/1.1 405");
  EXPECT_NE(api.find("\r\nAllow: POST\r\n"), std::string::npos) << api;
  EXPECT_EQ(StatusOf(AnswerTo("POST /healthz" + fields + "Content-Length: 5\r\n\r\nhello")),
            "HTTP/1.1 405");
  EXPECT_EQ(StatusOf(AnswerTo("DELETE /healthz" + fields + "\r\n")), "HTTP/1.1 405");
}

}  // namespace
}  // namespace coterie::gateway
