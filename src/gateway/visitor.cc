#include "gateway/visitor.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

namespace coterie::gateway {
namespace {

namespace ip = boost::asio::ip;

// The longest is an IPv6 address with an IPv4 one inside; with a scope it is nobody's on the net.
constexpr std::size_t kAddressBytesMax = 45;

constexpr unsigned short kBitsV4 = 32;
constexpr unsigned short kBitsV6 = 128;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

}  // namespace

std::string NormalAddress(std::string_view text) {
  if (text.empty() || text.size() > kAddressBytesMax) return {};
  boost::system::error_code error;
  ip::address address = ip::make_address(std::string(text), error);
  if (error) return {};
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

absl::StatusOr<TrustedProxies> TrustedProxies::Parse(const std::vector<std::string>& addresses) {
  TrustedProxies proxies;
  for (const std::string& text : addresses) {
    const std::string normal = NormalAddress(text);
    const bool is_v6 = (normal.empty() ? text : normal).find(':') != std::string::npos;
    const std::string network =
        normal.empty() ? text : absl::StrCat(normal, "/", is_v6 ? kBitsV6 : kBitsV4);
    boost::system::error_code error;
    if (is_v6) {
      const ip::network_v6 parsed = ip::make_network_v6(network, error);
      // Who comes as IPv4 in IPv6 is compared as IPv4.
      if (!error && parsed.address().is_v4_mapped()) error = boost::asio::error::invalid_argument;
      if (!error) proxies.networks_v6_.push_back(parsed.canonical());
    } else {
      const ip::network_v4 parsed = ip::make_network_v4(network, error);
      if (!error) proxies.networks_.push_back(parsed.canonical());
    }
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("--http-trusted-proxy ", text,
                       ": not an IP address or network, as 10.0.0.7 or 10.0.0.0/8"));
    }
  }
  return proxies;
}

bool TrustedProxies::Contains(const std::string& address) const {
  boost::system::error_code error;
  const ip::address parsed = ip::make_address(address, error);
  if (error) return false;
  if (parsed.is_v4()) {
    return std::ranges::any_of(networks_, [&](const ip::network_v4& network) {
      return ip::network_v4(parsed.to_v4(), network.prefix_length()).canonical() == network;
    });
  }
  return std::ranges::any_of(networks_v6_, [&](const ip::network_v6& network) {
    return ip::network_v6(parsed.to_v6(), network.prefix_length()).canonical() == network;
  });
}

std::string TrustedProxies::VisitorOf(const std::string& peer, std::string_view forwarded) const {
  std::string visitor = peer;
  while (Contains(visitor) && !forwarded.empty()) {
    const std::size_t comma = forwarded.rfind(',');
    const std::size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
    std::string address = NormalAddress(Trimmed(forwarded.substr(begin)));
    if (address.empty()) break;
    visitor = std::move(address);
    forwarded = forwarded.substr(0, comma == std::string_view::npos ? 0 : comma);
  }
  return visitor;
}

}  // namespace coterie::gateway
