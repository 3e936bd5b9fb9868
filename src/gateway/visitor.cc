#include "gateway/visitor.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

namespace coterie::gateway {
namespace {

namespace ip = boost::asio::ip;

// The longest is an IPv6 address with an IPv4 one inside; with a scope it is nobody's on the net.
constexpr std::size_t kAddressBytesMax = 45;

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
    std::string address = NormalAddress(text);
    if (address.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--http-trusted-proxy ", text, ": not an IP address, as 10.0.0.7"));
    }
    proxies.addresses_.insert(std::move(address));
  }
  return proxies;
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
