#pragma once

// Merges the updates of who writes: each continues what its clients wrote in those before it. That
// is copied as it comes, without comparing every update with all others. Pure value; one owner.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

class Chains {
 public:
  // False if the update does not continue the others in every client, or not in a way that can be
  // copied, or is malformed: then this is of no use any more, and MergeUpdates() must look at all
  // of them.
  bool Add(std::string_view update);
  // The merged update. Nothing is left afterwards.
  std::string Finish();

 private:
  // What one client wrote, without a gap.
  struct Chain {
    Id first;
    Clock end = 0;
    bool ends_in_gc = false;
    std::uint64_t structs = 0;
    Lib0Writer bytes;
  };
  Chain& ChainOf(Id id);
  bool AddStruct(const StructSpan& span);
  void AddDeleted(Client client, ClockRange range);

  std::vector<Chain> chains_;
  std::size_t last_ = 0;  // The one that was asked for last.
  std::vector<std::pair<Client, ClockRange>> deleted_;
  std::vector<std::pair<Client, ClockRange>> decoded_;
};

}  // namespace coterie::crdt
