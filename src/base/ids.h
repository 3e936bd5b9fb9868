#pragma once

// Tagged integers for everything Coterie counts or names: two ids of different kinds cannot be
// swapped, compared or added by accident. All are 64 bits wide; zero means "none" everywhere.
// Not a units library: only the arithmetic that the domain needs is offered (next, previous,
// distance). Pure values, any thread.

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <ostream>

namespace coterie {

template <class Tag>
class Tagged {
 public:
  constexpr Tagged() = default;
  constexpr explicit Tagged(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr bool IsNone() const { return value_ == 0; }

  constexpr Tagged Next() const { return Tagged(value_ + 1); }
  // Requires a value above zero.
  constexpr Tagged Previous() const { return Tagged(value_ - 1); }
  constexpr Tagged& operator++() {
    ++value_;
    return *this;
  }
  constexpr Tagged operator+(std::uint64_t distance) const { return Tagged(value_ + distance); }
  // Requires `distance` to be at most the value.
  constexpr Tagged operator-(std::uint64_t distance) const { return Tagged(value_ - distance); }
  // Distance from `other` up to this. Requires other <= *this.
  constexpr std::uint64_t operator-(Tagged other) const { return value_ - other.value_; }

  friend constexpr auto operator<=>(Tagged, Tagged) = default;
  friend std::ostream& operator<<(std::ostream& out, Tagged id) { return out << id.value_; }

 private:
  std::uint64_t value_ = 0;
};

using Term = Tagged<struct TermTag>;      // Raft term (paper 5.1). 0 = before any election.
using Index = Tagged<struct IndexTag>;    // Raft log index; the first entry is 1.
using Revision = Index;                   // A revision of the state IS its log index.
using NodeId = Tagged<struct NodeIdTag>;  // A member of the cluster, for all time.
using Incarnation = Tagged<struct IncarnationTag>;  // One life of a node's disk; random, never 0.
using GroupId = Tagged<struct GroupIdTag>;          // One Raft group. Today there is one: 1.
using Epoch = Tagged<struct EpochTag>;              // Counts suffix truncations of the local log.
using DocId = Tagged<struct DocIdTag>;              // The revision that created the document.
using SessionId = Tagged<struct SessionIdTag>;      // The revision of the login.
using ClientId = Tagged<struct ClientIdTag>;        // One client process within a session; random.
using FencingToken = Tagged<struct FencingTokenTag>;  // The revision of a lock's grant.
using Ticks = Tagged<struct TicksTag>;  // Logical time, in ticks since the owner's start.

inline constexpr GroupId kTheGroup{1};

}  // namespace coterie

template <class Tag>
struct std::hash<coterie::Tagged<Tag>> {
  std::size_t operator()(coterie::Tagged<Tag> id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value());
  }
};
