#pragma once

// Numbers for nested types by what they hold: two with one number hold the same, all the way down,
// in whatever docs they are, and the other way round; so lists of types are compared as lists of
// numbers. How things were cut into items does not count, nor which of several formatting marks at
// one place says what. Costs O(n log n) in the bytes of what is there, however deep it nests and
// however it was made: what is compared is the content itself, no hash of it. One owner. The docs
// must not change between Number() and the use of what it yields, but that types may be added.

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

class TypeNumbers {
 public:
  using Numbers = std::unordered_map<BranchRef, std::uint32_t>;

  // Of all that is visible in `root`, without the root itself.
  Numbers Number(const ItemStore& store, BranchRef root);

 private:
  // What a type is and holds, with types in it as their numbers -> its number.
  std::map<std::string, std::uint32_t> numbers_;
};

}  // namespace coterie::crdt
