#pragma once

// One struct of an update after the other into a hot document: what it lacks, and where it goes.
// Whoever calls decides on the order (apply.h, pending.h). One owner, for one update or a wait.
// Source: yjs 13.6, src/structs/Item.js, getMissing and integrate.

#include <optional>
#include <string>

#include "crdt/id.h"
#include "crdt/item.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

class ItemStore;

class StructIntegrator {
 public:
  explicit StructIntegrator(ItemStore& store) : store_(store) {}

  // The first clock of the client that is not there.
  Clock EndOf(Client client);
  // What of another client it builds on and is not there; nothing of its own client's.
  std::optional<Id> FindMissing(const StructView& view);
  // Integrates it without the first `offset` clocks, which are there; all may be. Requires that
  // nothing is missing. The view is of no use afterwards.
  void IntegrateFrom(StructView& view, Clock offset);

 private:
  ClientIndex IndexOf(Client client);
  LocalId ToLocal(const Id& id) { return {.client = IndexOf(id.client), .clock = id.clock}; }
  bool Lacks(const StructView& view, const Id& id);
  void Resolve(const StructView& view);
  void FindSequence(const StructView& view);
  bool MaybeExtend(ClientIndex client, const StructView& view);
  void SetContent(ItemRef ref, const StructView& view);

  ItemStore& store_;
  Client last_client_;
  ClientIndex last_index_ = kNoClient;

  // The neighbours of the struct at hand.
  ItemRef left_ = 0;
  ItemRef right_ = 0;
  LocalId origin_;
  LocalId right_origin_;
  LocalId last_right_origin_;
  ItemRef last_right_ = 0;
  bool is_garbage_ = false;  // A neighbour or the parent is.
  SequenceRef sequence_ = 0;
  std::string scratch_;
};

}  // namespace coterie::crdt
