#pragma once

// What a caller's address counts as where many of one caller's are to be told from many callers'.
// Pure values.

#include <string>

namespace coterie::rpc {

// Whoever has an address of IPv6 has the 2^64 beside it, too: the first 64 bits. What is none of
// IPv6 is itself.
std::string CountedAs(const std::string& address);

// The address in what gRPC calls a peer, as "ipv4:10.0.0.7:5000" or "ipv6:%5B::1%5D:5000"; what is
// neither, as a Unix socket, is itself.
std::string AddressOfPeer(const std::string& peer);

}  // namespace coterie::rpc
