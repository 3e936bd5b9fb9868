#pragma once

// Which nodes there are and which to ask next. Starts from the addresses that the user gave and
// learns the rest from the cluster. Not a connection pool: it knows strings and times only. Not
// thread safe: its owner's mutex guards it.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::client {

inline constexpr std::size_t kAddressesMax = 64;
// A node that failed is asked last for this long.
inline constexpr absl::Duration kSuspicion = absl::Seconds(3);

// "host:port", "[v6]:port"; a bare host gets `default_port`. kInvalidArgument with a reason.
absl::StatusOr<std::string> NormalizeAddress(std::string_view text, int default_port);
// Splits at commas and spaces, drops repetitions. kInvalidArgument for none or too many.
absl::StatusOr<std::vector<std::string>> ParseAddresses(std::string_view text, int default_port);

class AddressBook {
 public:
  // Requires at least one seed, at most kAddressesMax. Seeds are never forgotten.
  explicit AddressBook(std::vector<std::string> seeds);

  // The best node that is not among `tried`: the leader, the one that answered last, the others in
  // turn; those that failed lately after all these, the longest ago first. Empty when all were
  // tried.
  std::optional<std::string> Pick(const std::vector<std::string>& tried, absl::Time now) const;

  void Succeeded(std::string_view address);
  void Failed(std::string_view address, absl::Time now);
  // A node said that `address` leads. Unknown addresses are added; malformed ones are ignored.
  void LeaderIs(std::string_view address);
  // What the cluster says of itself; replaces what was learned before. `leader` may be empty.
  void Learn(const std::vector<std::string>& members, std::string_view leader);

  // True for a node that failed within kSuspicion.
  bool IsSuspect(std::string_view address, absl::Time now) const;
  std::vector<std::string> addresses() const;
  std::size_t size() const { return nodes_.size(); }
  const std::string& leader() const { return leader_; }

 private:
  struct Node {
    std::string address;
    bool is_seed = false;
    absl::Time failed_at = absl::InfinitePast();
  };
  Node* Find(std::string_view address);
  void Add(std::string_view address);
  int Rank(const Node& node, absl::Time now) const;

  std::vector<Node> nodes_;
  std::string leader_;     // Empty = unknown.
  std::string last_good_;  // Empty = none yet.
};

}  // namespace coterie::client
