// The port with limits so small that a test meets them soon.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "gateway/test_port.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {
namespace {

class ImpatientBodies : public PortTest {
 protected:
  ImpatientBodies() : PortTest({.body_max = kTime}) {}
  static constexpr absl::Duration kTime = absl::Seconds(1);
};

TEST_F(ImpatientBodies, ABodyThatDoesNotComeIsWaitedForSoLongAndNoLonger) {
  const absl::Time begin = rpc::SteadyNow();
  RawClient client = Connect();
  ASSERT_TRUE(
      client.Send("POST /coterie.v1.AuthService/Login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"));
  EXPECT_TRUE(client.HasEnded());
  EXPECT_GE(rpc::SteadyNow() - begin, kTime);
}

class ForgetfulPort : public PortTest {
 protected:
  ForgetfulPort() : PortTest({.event_bytes_max = 1}) {}
};

// And no later change is there to show that one is missing.
TEST_F(ForgetfulPort, WhatWasTooMuchToBeHandedOnIsSentAllTheSame) {
  const std::uint64_t doc = ana_.Create("lost");
  const auto editor = OpenYjs("lost", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));
  ana_.Append(doc, "and found");
  ASSERT_TRUE(ana_.status.ok()) << ana_.status.error_message();
  std::string told;
  EXPECT_TRUE(Becomes([&] {
    told = editor->Next();
    return told.find("and found") != std::string::npos;
  })) << editor->error.message();
}

}  // namespace
}  // namespace coterie::gateway
