// Sockets on which nothing happens: those that must live are kept alive, the others end. One after
// the other at the times that docs/gateway.md names, which this waits for.

#include <gtest/gtest.h>

#include <string>

#include "gateway/test_port.h"
#include "yproto/test_hex.h"

namespace coterie::gateway {
namespace {

using yproto::FromHex;

class IdlePort : public PortTest {
 protected:
  absl::Duration Since() const { return absl::Now() - begin_; }
  void ExpectSince(absl::Duration due) {
    EXPECT_GE(Since(), due - absl::Milliseconds(500));
    EXPECT_LT(Since(), due + absl::Seconds(8));
  }
  const absl::Time begin_ = absl::Now();
};

TEST_F(IdlePort, EverySocketEndsOrIsKeptAliveInItsTime) {
  RawClient slow = Connect();  // Slowloris: a header whose end never comes.
  ASSERT_TRUE(slow.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"));
  const auto stranger = Open("/hocuspocus");
  const auto reader = OpenYjs("idle", ana_.token);
  reader->Send(Ask());
  ASSERT_TRUE(reader->Await(Nothing()));
  // Takes what comes and answers nothing, not even a ping.
  RawClient dead = Connect();
  ASSERT_TRUE(dead.Send("GET /yjs/idle?token=" + ana_.token +
                        " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
  ASSERT_EQ(dead.Next().substr(0, 12), "HTTP/1.1 101");

  EXPECT_TRUE(slow.HasEnded());
  ExpectSince(absl::Seconds(10));
  EXPECT_EQ(stranger->CloseCode(), 4408);
  ExpectSince(absl::Seconds(15));
  // An empty awareness update, for the provider's watchdog.
  EXPECT_EQ(reader->Next(), FromHex("01 01 00"));
  ExpectSince(absl::Seconds(20));
  dead.patience = std::chrono::seconds(70);
  dead.Rest();
  EXPECT_NE(dead.error, asio::error::timed_out);
  ExpectSince(absl::Seconds(60));
  // It has answered its pings, while it was waiting for anything at all.
  reader->patience = std::chrono::seconds(30);
  EXPECT_EQ(reader->Next(), FromHex("01 01 00"));
}

}  // namespace
}  // namespace coterie::gateway
