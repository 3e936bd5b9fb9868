// How many streams the hub takes. It is not started: it counts, and shows nobody anything.

#include "rpc/presence_hub.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rpc/node_calls.h"
#include "rpc/testing_node.h"

namespace coterie::rpc {
namespace {

class SilentStream final : public AttachedStream {
 public:
  explicit SilentStream(Caller caller) : caller_(std::move(caller)) {}
  const Caller& caller() const override { return caller_; }
  void Show(const std::vector<v1::Presence>& /*present*/) override {}
  void JoinAgain() override {}
  void End(const absl::Status& /*why*/) override {}

 private:
  const Caller caller_;
};

class PresenceHubTest : public testing::Test {
 protected:
  static std::shared_ptr<AttachedStream> Stream(std::uint64_t session, const std::string& user) {
    return std::make_shared<SilentStream>(Caller{.session = SessionId(session), .user = user});
  }
  // With as many streams in each as it may have.
  void Fill(const std::string& user, std::uint64_t first_session, std::size_t streams) {
    for (std::size_t i = 0; i < streams; ++i) {
      const std::uint64_t session = first_session + i / PresenceHub::kStreamsPerSessionMax;
      ASSERT_TRUE(hub_.Add(Stream(session, user)).ok()) << i;
    }
  }

  TestingNode node_;
  PresenceHub hub_{node_.server().faces().calls.node()};
};

TEST_F(PresenceHubTest, ASessionHasSoManyStreamsAtMost) {
  Fill("mia", 1, PresenceHub::kStreamsPerSessionMax - 1);
  const std::shared_ptr<AttachedStream> last = Stream(1, "mia");
  ASSERT_TRUE(hub_.Add(last).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(hub_.Add(Stream(1, "mia"))));
  EXPECT_TRUE(hub_.Add(Stream(2, "mia")).ok());
  hub_.Remove(last);
  EXPECT_TRUE(hub_.Add(Stream(1, "mia")).ok());
}

TEST_F(PresenceHubTest, AUserHasSoManyStreamsAtMostInAllSessions) {
  Fill("mia", 1, PresenceHub::kStreamsPerUserMax);
  EXPECT_TRUE(absl::IsResourceExhausted(hub_.Add(Stream(10'000, "mia"))));
  EXPECT_TRUE(hub_.Add(Stream(10'001, "ben")).ok());
}

TEST_F(PresenceHubTest, ANodeHasSoManyStreamsAtMost) {
  const std::size_t users = PresenceHub::kStreamsMax / PresenceHub::kStreamsPerUserMax;
  for (std::size_t i = 0; i < users; ++i) {
    Fill(absl::StrCat("user", i), 1 + i * PresenceHub::kStreamsPerUserMax,
         PresenceHub::kStreamsPerUserMax);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(hub_.Add(Stream(100'000, "mia"))));
}

}  // namespace
}  // namespace coterie::rpc
