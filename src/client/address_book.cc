#include "client/address_book.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"

namespace coterie::client {
namespace {

constexpr std::size_t kHostBytesMax = 255;

absl::Status BadAddress(std::string_view text, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("the address \"", std::string(text.substr(0, 80)),
                                                 "\" ", why, "; expected HOST:PORT"));
}

bool IsHostCharacter(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_letter || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}
bool IsV6Character(char c) {
  const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return is_hex || c == ':' || c == '.' || c == '%';
}

}  // namespace

absl::StatusOr<std::string> NormalizeAddress(std::string_view text, int default_port) {
  if (text.empty() || text.size() > kHostBytesMax) return BadAddress(text, "is empty or too long");
  std::string host;
  std::string port;
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return BadAddress(text, "lacks the closing bracket");
    host = std::string(text.substr(0, close + 1));
    const std::string_view inner = text.substr(1, close - 1);
    if (inner.empty() || !std::all_of(inner.begin(), inner.end(), IsV6Character)) {
      return BadAddress(text, "is no IPv6 address");
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return BadAddress(text, "has text after the bracket");
    if (!rest.empty()) port = std::string(rest.substr(1));
    if (rest == ":") return BadAddress(text, "has an empty port");
  } else {
    const std::size_t colon = text.find(':');
    host = std::string(text.substr(0, colon));
    if (host.empty() || !std::all_of(host.begin(), host.end(), IsHostCharacter)) {
      return BadAddress(text, "has no valid host name");
    }
    if (colon != std::string_view::npos) port = std::string(text.substr(colon + 1));
    if (colon != std::string_view::npos && port.empty())
      return BadAddress(text, "has an empty port");
  }
  int number = default_port;
  if (!port.empty() && (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535)) {
    return BadAddress(text, "has no port from 1 to 65535");
  }
  return absl::StrCat(host, ":", number);
}

absl::StatusOr<std::vector<std::string>> ParseAddresses(std::string_view text, int default_port) {
  std::vector<std::string> addresses;
  for (const auto part :
       absl::StrSplit(std::string(text), absl::ByAnyChar(", \t\n"), absl::SkipEmpty())) {
    ASSIGN_OR_RETURN(std::string address, NormalizeAddress(std::string(part), default_port));
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) continue;
    if (addresses.size() == kAddressesMax) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", kAddressesMax, " addresses"));
    }
    addresses.push_back(std::move(address));
  }
  if (addresses.empty()) return absl::InvalidArgumentError("no address given");
  return addresses;
}

AddressBook::AddressBook(std::vector<std::string> seeds) {
  CHECK(!seeds.empty());
  CHECK(seeds.size() <= kAddressesMax);
  for (std::string& seed : seeds) {
    if (Find(seed) != nullptr) continue;
    nodes_.push_back({.address = std::move(seed), .is_seed = true});
  }
}

AddressBook::Node* AddressBook::Find(std::string_view address) {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                  [&](const Node& node) { return node.address == address; });
  return found == nodes_.end() ? nullptr : &*found;
}

void AddressBook::Add(std::string_view address) {
  if (Find(address) != nullptr || nodes_.size() >= kAddressesMax) return;
  nodes_.push_back({.address = std::string(address)});
}

int AddressBook::Rank(const Node& node, absl::Time now) const {
  if (node.failed_at + kSuspicion > now) return 3;
  if (node.address == leader_) return 0;
  if (node.address == last_good_) return 1;
  return 2;
}

std::optional<std::string> AddressBook::Pick(const std::vector<std::string>& tried,
                                             absl::Time now) const {
  const Node* best = nullptr;
  for (const Node& node : nodes_) {
    if (std::find(tried.begin(), tried.end(), node.address) != tried.end()) continue;
    if (best == nullptr) {
      best = &node;
      continue;
    }
    const int rank = Rank(node, now);
    const int best_rank = Rank(*best, now);
    const bool failed_longer_ago = rank == 3 && best_rank == 3 && node.failed_at < best->failed_at;
    if (rank < best_rank || failed_longer_ago) best = &node;
  }
  if (best == nullptr) return std::nullopt;
  return best->address;
}

void AddressBook::Succeeded(std::string_view address) {
  if (Node* node = Find(address)) {
    node->failed_at = absl::InfinitePast();
    last_good_ = node->address;
  }
}

void AddressBook::Failed(std::string_view address, absl::Time now) {
  if (Node* node = Find(address)) node->failed_at = now;
  if (last_good_ == address) last_good_.clear();
  if (leader_ == address) leader_.clear();
}

void AddressBook::LeaderIs(std::string_view address) {
  if (const auto parsed = NormalizeAddress(address, 0); !parsed.ok() || *parsed != address) return;
  Add(address);
  if (Find(address) != nullptr) leader_ = std::string(address);
}

void AddressBook::Learn(const std::vector<std::string>& members, std::string_view leader) {
  const auto is_gone = [&](const Node& node) {
    return !node.is_seed &&
           std::find(members.begin(), members.end(), node.address) == members.end();
  };
  nodes_.erase(std::remove_if(nodes_.begin(), nodes_.end(), is_gone), nodes_.end());
  for (const std::string& member : members) {
    if (const auto parsed = NormalizeAddress(member, 0); parsed.ok() && *parsed == member) {
      Add(member);
    }
  }
  if (Find(leader_) == nullptr) leader_.clear();
  if (Find(last_good_) == nullptr) last_good_.clear();
  if (!leader.empty()) LeaderIs(leader);
}

bool AddressBook::IsSuspect(std::string_view address, absl::Time now) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
    return node.address == address && node.failed_at + kSuspicion > now;
  });
}

std::vector<std::string> AddressBook::addresses() const {
  std::vector<std::string> addresses;
  addresses.reserve(nodes_.size());
  for (const Node& node : nodes_) addresses.push_back(node.address);
  return addresses;
}

}  // namespace coterie::client
