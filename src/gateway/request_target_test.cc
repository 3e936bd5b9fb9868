#include "gateway/request_target.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

TEST(RequestTarget, DecodesThePathAndKeepsTheQuery) {
  const auto target = ParseTarget("/yjs/room/a%20b%C3%BC?token=x%20y&create=1");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/yjs/room/a bü");
  EXPECT_EQ(QueryParameter(target->query, "token"), "x y");
  EXPECT_EQ(QueryParameter(target->query, "create"), "1");
  EXPECT_EQ(QueryParameter(target->query, "missing"), std::nullopt);
  EXPECT_EQ(QueryParameter("a+b=c+d", "a+b"), "c d");
  EXPECT_EQ(ParseTarget("/a+b")->path, "/a+b");
}

// Stock providers put a document's name into the address as it is.
TEST(RequestTarget, APercentSignThatBeginsNoByteIsOne) {
  EXPECT_EQ(ParseTarget("/yjs/100% true")->path, "/yjs/100% true");
  EXPECT_EQ(ParseTarget("/%")->path, "/%");
  EXPECT_EQ(ParseTarget("/%2")->path, "/%2");
  EXPECT_EQ(ParseTarget("/%zz%41")->path, "/%zzA");
  EXPECT_EQ(ParseTarget("/%%41")->path, "/%A");
}

TEST(RequestTarget, RefusesWhatIsMalformed) {
  for (const char* bad : {"", "yjs/a", "http://x/y", "/%ff", "/%c3"}) {
    EXPECT_FALSE(ParseTarget(bad).has_value()) << bad;
  }
}

TEST(RequestTarget, AForeignNameIsNotOurs) {
  EXPECT_TRUE(IsHostAllowed("127.0.0.1:8080", {}));
  EXPECT_TRUE(IsHostAllowed("[::1]:8080", {}));
  EXPECT_TRUE(IsHostAllowed("LocalHost", {}));
  EXPECT_FALSE(IsHostAllowed("evil.example", {}));
  EXPECT_FALSE(IsHostAllowed("", {}));
  EXPECT_FALSE(IsHostAllowed("127.0.0.1.evil.example", {}));
  EXPECT_TRUE(IsHostAllowed("docs.example:443", {"docs.example"}));
  EXPECT_FALSE(IsHostAllowed("docs.example.evil", {"docs.example"}));
}

TEST(RequestTarget, OnlyOurOwnPagesAndListedOnes) {
  EXPECT_TRUE(IsOriginAllowed("", "a:1", {}));
  EXPECT_TRUE(IsOriginAllowed("http://a:1", "a:1", {}));
  EXPECT_TRUE(IsOriginAllowed("https://A:1", "a:1", {}));
  EXPECT_FALSE(IsOriginAllowed("http://a:2", "a:1", {}));
  EXPECT_FALSE(IsOriginAllowed("http://a:1.evil", "a:1", {}));
  EXPECT_FALSE(IsOriginAllowed("null", "a:1", {}));
  const std::vector<std::string> any_port = {"http://localhost:*"};
  EXPECT_TRUE(IsOriginAllowed("http://localhost:5173", "a:1", any_port));
  EXPECT_TRUE(IsOriginAllowed("http://LOCALHOST:1", "a:1", any_port));
  EXPECT_FALSE(IsOriginAllowed("https://localhost:5173", "a:1", any_port));
  EXPECT_FALSE(IsOriginAllowed("http://localhost.evil:5173", "a:1", any_port));
  EXPECT_FALSE(IsOriginAllowed("http://localhost:5173.evil", "a:1", any_port));
  EXPECT_FALSE(IsOriginAllowed("http://localhost:", "a:1", any_port));
  EXPECT_FALSE(IsOriginAllowed("http://localhost", "a:1", any_port));
  EXPECT_TRUE(IsOriginAllowed("http://b", "a:1", {"http://b"}));
  EXPECT_FALSE(IsOriginAllowed("http://b.evil", "a:1", {"http://b"}));
  EXPECT_TRUE(IsOriginAllowed("http://b", "a:1", {"*"}));
}

TEST(RequestTarget, ATokenMayComeAsSubprotocol) {
  EXPECT_EQ(TokenInProtocols("coterie, token.abc_-1"), "abc_-1");
  EXPECT_EQ(TokenInProtocols("coterie"), "");
  EXPECT_TRUE(OffersProtocol("a, coterie", "coterie"));
  EXPECT_FALSE(OffersProtocol("acoterie", "coterie"));
}

}  // namespace
}  // namespace coterie::gateway
