// How long is waited for whom, as docs/gateway.md and docs/api.md have it.

#include <gtest/gtest.h>

#include <optional>

#include "gateway/connect_service.h"
#include "gateway/gateway.h"

namespace coterie::gateway {
namespace {

std::optional<absl::Duration> Asked(const std::string& timeout_ms) {
  const rpc::Policy policy{.method = "any", .seconds_max = 60};
  HttpRequest request;
  request.connect_timeout_ms = timeout_ms;
  return TimeoutOf(request, policy);
}

TEST(ConnectTimeout, IsTheClientsOwnButNoLongerThanThePolicyAllows) {
  EXPECT_EQ(Asked("1500"), absl::Milliseconds(1'500));
  EXPECT_EQ(Asked("60000"), absl::Seconds(60));
  EXPECT_EQ(Asked("60001"), absl::Seconds(60));
  EXPECT_EQ(Asked("18446744073709551615"), absl::Seconds(60));
}

TEST(ConnectTimeout, ThatIsNoneIsNothing) {
  EXPECT_EQ(Asked(""), std::nullopt);
  EXPECT_EQ(Asked("soon"), std::nullopt);
  EXPECT_EQ(Asked("-1"), std::nullopt);
}

// Tests of what they do use shorter ones.
TEST(Options, WaitAsLongAsIsDocumented) {
  const Options options;
  EXPECT_EQ(options.body_max, absl::Seconds(60));
  EXPECT_EQ(options.stalled_max, absl::Seconds(60));
  EXPECT_EQ(options.silent_max, absl::Seconds(60));
  EXPECT_EQ(options.large_message_max, absl::Minutes(2));
}

}  // namespace
}  // namespace coterie::gateway
