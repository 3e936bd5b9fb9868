#pragma once

// What waits in a document: structs that came before something that they build on (their client's
// earlier structs, a neighbour, a parent), and deletions of what has not come. Nothing of it is in
// the document until then. Each group of structs waits for one clock, and is looked at again when
// that has come; what goes on waiting is neither read nor copied meanwhile, so that a wait costs no
// more than what waits is long, however it ends. One owner: Doc.
// Source: yjs 13.6, pendingStructs and pendingDs in src/utils/encoding.js, which tries all of it
// again each time.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/id.h"
#include "crdt/item.h"
#include "crdt/state_vector.h"

namespace coterie::crdt {

class ItemStore;
class StructIntegrator;

class PendingStructs {
 public:
  // Adds what ApplyStructs() could not integrate. Requires a call of Retry() before all else.
  void Park(std::string_view rest);
  // Integrates what waits for what the open transaction brought, or for `advanced`, who wrote here
  // since the last call; and what waits for that.
  void Retry(ItemStore& store, const std::set<ClientIndex>& advanced);

  bool empty() const { return count_ == 0; }
  // The structs alone. Depends on nothing but what was parked and retried.
  std::uint64_t bytes() const { return bytes_; }
  // All of it as one update without deletions. Requires that it is not empty.
  std::string Encode() const;
  // Client -> the first clock that has to come, plus one.
  StateVector missing() const;
  std::size_t memory_bytes() const;

 private:
  // Structs of one client that follow each other, from the first one that waits on.
  struct Group {
    Client client;
    Clock clock = 0;
    std::uint64_t structs = 0;  // 0: the group is free.
    std::uint64_t part = 0;     // Those that were parked together have the same.
    std::string bytes;
    std::size_t begin_bytes = 0;  // Of what waits; what is before is integrated.
    Id missing;
  };
  using Waiter = std::pair<Clock, std::size_t>;  // The clock that has to come, and the group.
  using Waiters = std::priority_queue<Waiter, std::vector<Waiter>, std::greater<>>;

  void Add(std::string_view update);
  void Clear();
  // Whether something of it may have come to its turn.
  bool IsDue(const ItemStore& store, const std::set<ClientIndex>& advanced) const;
  void RetryFromTheFront(ItemStore& store);
  void Wake(Client client, Clock end);
  void Advance(StructIntegrator& integrator, std::size_t index);
  void Cut(Group& group, std::size_t begin_bytes);

  std::vector<Group> groups_;
  std::vector<std::size_t> free_;
  std::vector<std::size_t> ready_;  // To be tried.
  std::unordered_map<Client, Waiters> waiters_;
  std::size_t count_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t merged_bytes_ = 0;  // What they were when all were merged the last time.
  std::uint64_t parts_ = 0;
};

class PendingDeletes {
 public:
  void Add(const DeleteSet& deletes);
  // Takes out those of which something has come in the open transaction, or of `advanced`.
  DeleteSet TakeDue(const ItemStore& store, const std::set<ClientIndex>& advanced);
  bool empty() const { return ranges_ == 0; }
  std::uint64_t ranges() const { return ranges_; }
  DeleteSet All() const;
  std::size_t memory_bytes() const;

 private:
  void TakeDueOf(Client client, Clock end, std::vector<std::pair<Client, ClockRange>>& due);

  std::map<Client, DeleteSet> deletes_;  // Of one client each.
  std::uint64_t ranges_ = 0;
};

}  // namespace coterie::crdt
