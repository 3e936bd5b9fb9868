#include "rpc/peer_address.h"

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <arpa/inet.h>

namespace coterie::rpc {

std::string CountedAs(const std::string& address) {
  constexpr std::size_t kSubnetBytes = 8;  // Of one link, and of what a home is given at least.
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  std::string bytes(reinterpret_cast<const char*>(&parsed), kSubnetBytes);
  return absl::StrCat("ipv6 ", absl::BytesToHexString(bytes));
}

std::string AddressOfPeer(const std::string& peer) {
  const bool is_v6 = absl::StartsWith(peer, "ipv6:");
  if (!is_v6 && !absl::StartsWith(peer, "ipv4:")) return peer;
  const std::size_t begin = peer.find(':') + 1;
  const std::size_t end = peer.rfind(':');
  std::string address = peer.substr(begin, end > begin ? end - begin : std::string::npos);
  if (is_v6) {
    address = absl::StrReplaceAll(address, {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  }
  return address;
}

}  // namespace coterie::rpc
