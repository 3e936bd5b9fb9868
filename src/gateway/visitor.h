#pragma once

// Whose connection it is, for limits of one address, also behind reverse proxies: those whose
// addresses or networks are listed are believed what they write into X-Forwarded-For, and nobody
// else is. Of that list the right-most address counts that is no such proxy's: what stands left of
// it may be anybody's invention. Pure values.

#include <absl/status/statusor.h>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::gateway {

class TrustedProxies {
 public:
  TrustedProxies() = default;
  // IP addresses, and networks as 10.0.0.0/8. kInvalidArgument: one is neither.
  static absl::StatusOr<TrustedProxies> Parse(const std::vector<std::string>& addresses);

  // `address`: as NormalAddress() spells it.
  bool Contains(const std::string& address) const;
  // `peer` is at the other end of the connection; `forwarded` all values of X-Forwarded-For, in
  // order, with commas. An entry that cannot be read counts as the address of who wrote it.
  std::string VisitorOf(const std::string& peer, std::string_view forwarded) const;

 private:
  // An address is a network of its own; `canonical()`.
  std::vector<boost::asio::ip::network_v4> networks_;
  std::vector<boost::asio::ip::network_v6> networks_v6_;
};

// As it is compared: one spelling each, and IPv4 in IPv6 as IPv4. Empty if it is none.
std::string NormalAddress(std::string_view text);

}  // namespace coterie::gateway
