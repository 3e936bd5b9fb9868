#include "gateway/visitor.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

TrustedProxies Proxies(const std::vector<std::string>& addresses) {
  return TrustedProxies::Parse(addresses).value();
}

TEST(Visitor, NobodyIsBelievedByDefault) {
  EXPECT_EQ(TrustedProxies().VisitorOf("10.0.0.7", "1.2.3.4"), "10.0.0.7");
  EXPECT_EQ(Proxies({"10.0.0.7"}).VisitorOf("10.0.0.8", "1.2.3.4"), "10.0.0.8");
}

TEST(Visitor, TheRightMostAddressThatIsNoProxyCounts) {
  const TrustedProxies proxies = Proxies({"10.0.0.7", "10.0.0.9"});
  EXPECT_EQ(proxies.VisitorOf("10.0.0.7", "1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(proxies.VisitorOf("10.0.0.7", "6.6.6.6, 1.2.3.4"), "1.2.3.4") << "the rest is invented";
  EXPECT_EQ(proxies.VisitorOf("10.0.0.7", "6.6.6.6,1.2.3.4 , 10.0.0.9"), "1.2.3.4");
  EXPECT_EQ(proxies.VisitorOf("10.0.0.7", "10.0.0.9"), "10.0.0.9");
}

TEST(Visitor, WhatCannotBeReadCountsAsWhoWroteIt) {
  const TrustedProxies proxies = Proxies({"10.0.0.7", "10.0.0.9"});
  for (const char* bad : {"", "unknown", "1.2.3.4, ", "1.2.3.4:567", "1.2.3.4, x", "_hidden"}) {
    EXPECT_EQ(proxies.VisitorOf("10.0.0.7", bad), "10.0.0.7") << bad;
  }
  EXPECT_EQ(proxies.VisitorOf("10.0.0.7", std::string(100'000, '1') + ",10.0.0.9"), "10.0.0.9");
}

TEST(Visitor, OneAddressHasOneSpelling) {
  EXPECT_EQ(NormalAddress("::ffff:1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(NormalAddress("2001:DB8:0:0::1"), "2001:db8::1");
  EXPECT_EQ(Proxies({"::ffff:10.0.0.7"}).VisitorOf("10.0.0.7", "2001:DB8::0:1"), "2001:db8::1");
  EXPECT_EQ(NormalAddress("localhost"), "");
}

TEST(Visitor, NetworksOfProxiesAreBelieved) {
  const TrustedProxies proxies = Proxies({"10.0.0.77/8", "2001:db8::/32", "192.168.0.1"});
  EXPECT_EQ(proxies.VisitorOf("10.255.0.1", "6.6.6.6, 1.2.3.4, 10.1.2.3, 192.168.0.1"), "1.2.3.4");
  EXPECT_EQ(proxies.VisitorOf("2001:db8:ffff::1", "1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(proxies.VisitorOf("2001:db9::1", "1.2.3.4"), "2001:db9::1");
  EXPECT_EQ(proxies.VisitorOf("11.0.0.1", "1.2.3.4"), "11.0.0.1");
  EXPECT_EQ(proxies.VisitorOf("192.168.0.2", "1.2.3.4"), "192.168.0.2");
  EXPECT_EQ(Proxies({"0.0.0.0/0"}).VisitorOf("8.8.8.8", "1.2.3.4"), "1.2.3.4");
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0/8", "x", "", "::1/129",
                          "::ffff:10.0.0.0/104", "10.0.0.0/8 ", "10.0.0.0/-1"}) {
    EXPECT_EQ(TrustedProxies::Parse({bad}).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

}  // namespace
}  // namespace coterie::gateway
