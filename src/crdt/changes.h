#pragma once

// What the open transaction did so far, for its end: whose clocks went on, what was deleted, what
// may be merged. Reused by the next one. Pure value; owner: the ItemStore.

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "crdt/item.h"

namespace coterie::crdt {

struct Changes {
  struct Deleted {
    ClientIndex client = 0;
    Clock begin = 0;
    Clock end = 0;
  };
  // A code point of two units that was cut in half, so that each half became U+FFFD.
  struct CutPair {
    LocalId first;  // Its first unit.
    std::array<char, 4> bytes{};
  };
  std::vector<CutPair> cut_pairs;
  std::vector<ClientIndex> touched;       // Those with new structs; ClientState has `before`.
  std::vector<Deleted> deleted;           // As it happened; sorted and joined at the end.
  std::vector<Deleted> arrived;           // What came as deleted: there is nothing to forget.
  std::vector<LocalId> merge_candidates;  // Structs that may merge with a neighbour.
  // Types that changed, each with the keys (0 = the children), as it happened; only if wanted.
  std::vector<std::pair<BranchRef, Atom>> changed;
  bool wants_changed = false;

  void Clear() {
    cut_pairs.clear();
    touched.clear();
    deleted.clear();
    arrived.clear();
    merge_candidates.clear();
    changed.clear();
    wants_changed = false;
  }
};

}  // namespace coterie::crdt
