// What HTTP asks of a port: whoever waits for leave to send a body gets it, and whoever sends what
// is malformed is told so, where HTTP has an answer for it, before the connection ends.

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace coterie::gateway
