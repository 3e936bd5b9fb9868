#include "gateway/metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace coterie::gateway {
namespace {

node::Status Good() {
  return {.id = NodeId(2), .leader = NodeId(1), .commit = Index(5'000), .applied = Index(4'900)};
}

TEST(Readiness, ANodeThatServesIsReadyAlsoWithoutRoomOnItsDisk) {
  node::Status status = Good();
  const Readiness good = ReadinessOf(status, Stopping::kNo);
  EXPECT_TRUE(good.is_ready);
  EXPECT_EQ(good.text, "[+]running ok\n[+]leader ok\n[+]applied ok\n[+]state ok\n[+]member ok\n");
  status.alarms = {"NOSPACE"};  // Reads go on.
  const Readiness full = ReadinessOf(status, Stopping::kNo);
  EXPECT_TRUE(full.is_ready);
  EXPECT_NE(full.text.find("NOSPACE: "), std::string::npos) << full.text;
}

TEST(Readiness, ANodeThatCannotServeIsNotReadyAndSaysWhy) {
  const auto expect_not_ready = [](const node::Status& status, Stopping stopping,
                                   const std::string& why) {
    const Readiness readiness = ReadinessOf(status, stopping);
    EXPECT_FALSE(readiness.is_ready) << why;
    EXPECT_NE(readiness.text.find("[-]" + why + " failed\n"), std::string::npos) << readiness.text;
  };
  expect_not_ready(Good(), Stopping::kYes, "running");
  node::Status status = Good();
  status.leader = NodeId();
  expect_not_ready(status, Stopping::kNo, "leader");
  status = Good();
  status.applied = Index(3'000);
  expect_not_ready(status, Stopping::kNo, "applied");
  status = Good();
  status.alarms = {"DIVERGED"};
  expect_not_ready(status, Stopping::kNo, "state");
  for (const char* const alarm : {"NOT_MEMBER", "OTHER_DISK"}) {
    status.alarms = {alarm};
    expect_not_ready(status, Stopping::kNo, "member");
  }
}

}  // namespace
}  // namespace coterie::gateway
