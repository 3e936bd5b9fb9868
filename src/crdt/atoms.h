#pragma once

// Interned strings: keys of maps, names of attributes, roots and nodes, of which a document has few
// that come often. An atom stands for one string, for as long as the table lives; 0 for none, which
// is not the empty string. One owner.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "crdt/item.h"

namespace coterie::crdt {

class Atoms {
 public:
  Atom Intern(std::string_view text);
  // 0 if nobody interned it.
  Atom Find(std::string_view text) const;
  std::string_view Text(Atom atom) const { return texts_[atom - 1]; }
  std::size_t memory_bytes() const { return memory_bytes_; }

 private:
  std::deque<std::string> texts_;  // Addresses stay.
  std::unordered_map<std::string_view, Atom> atoms_;
  std::size_t memory_bytes_ = 0;
};

}  // namespace coterie::crdt
