#include "rpc/peer_address.h"

#include <gtest/gtest.h>

namespace coterie::rpc {
namespace {

TEST(PeerAddress, NeighboursInIpv6CountAsOne) {
  EXPECT_EQ(CountedAs("2001:db8:0:7::1"), CountedAs("2001:DB8:0:7:ffff::2"));
  EXPECT_NE(CountedAs("2001:db8:0:7::1"), CountedAs("2001:db8:0:8::1"));
  EXPECT_EQ(CountedAs("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(CountedAs(""), "");
}

TEST(PeerAddress, IsWhatGrpcCallsAPeerWithoutThePort) {
  EXPECT_EQ(AddressOfPeer("ipv4:10.0.0.7:5000"), "10.0.0.7");
  EXPECT_EQ(AddressOfPeer("ipv6:%5B2001:db8::1%5D:5000"), "2001:db8::1");
  EXPECT_EQ(AddressOfPeer("ipv6:[::1]:5000"), "::1");
  EXPECT_EQ(AddressOfPeer("unix:/run/x"), "unix:/run/x");
  EXPECT_EQ(AddressOfPeer("ipv4:"), "");
}

}  // namespace
}  // namespace coterie::rpc
