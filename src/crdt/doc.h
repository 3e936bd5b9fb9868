#pragma once

// A Yjs document that can be edited, read and merged: the hot engine. Byte-compatible with yjs
// 13.6: what it encodes is what Yjs encodes after the same updates. It has no client id of its own;
// every local edit names its writer (transaction.h). Values go in and out: updates as bytes, events
// as structs; nothing here calls back.
// Not here: algebra on bytes without a document (update_view.h), awareness, storage.
// Owner: one thread at a time. Handles of types (type_handle.h) stay valid as long as the doc; one
// of a type that was deleted reads as empty and edits nothing.
// Source: yjs 13.6, src/utils/{Doc,Transaction,encoding}.js.
//
// Reading order: type_handle.h, transaction.h, text.h, array.h, map.h, xml.h, events.h; inside:
// item.h, item_store.h, integrate.cc, order_index.h, apply.cc, cleanup.cc, rich_text.cc,
// observe.cc.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/events.h"
#include "crdt/id.h"
#include "crdt/item.h"
#include "crdt/lib0.h"
#include "crdt/state_vector.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

inline constexpr std::string_view kTooManyConflicts =
    "too much of it was written at places where others wrote at the same time, or it formats a "
    "text "
    "with too many different attributes";

class ItemStore;
class Transaction;
class ViewBudget;
struct ParsedUpdate;

// Whether the content of what is deleted is forgotten at the end of each transaction.
enum class Garbage : std::uint8_t { kCollect, kKeep };

class Doc {
 public:
  struct Options {
    Garbage garbage;
  };
  explicit Doc(Options options);
  ~Doc();
  Doc(Doc&& other) noexcept;
  Doc& operator=(Doc&& other) noexcept;
  Doc(const Doc&) = delete;
  Doc& operator=(const Doc&) = delete;

  // Merges an update of format V1. What depends on something that is not there yet is kept pending
  // and tried again with later updates. A malformed update, or one at which Yjs would throw,
  // changes nothing. `outcome`, if any, gets what was new. Requires that no transaction is open.
  [[nodiscard]] Malformed Apply(std::string_view update);
  [[nodiscard]] Malformed Apply(std::string_view update, Watch watch, Outcome& outcome);

  // What Apply() would say of it. Costs less.
  Malformed Refuse(std::string_view update) const;
  // So many items were gone over while places were looked for, for what came at the same place at
  // the same time, since this doc was made; and so many attributes, in texts that have very many.
  // All else costs what the updates are long; this can cost the square of it. The same for all who
  // made and applied the same, in the same order.
  std::uint64_t scanned_items() const;
  // As Apply(), but refused with kTooManyConflicts where scanned_items() would come to be more than
  // `scanned_max`. Then this doc is spoilt: it may only be destroyed.
  [[nodiscard]] Malformed ApplyWithin(std::uint64_t scanned_max, std::string_view update,
                                      Watch watch, Outcome& outcome);

  // The part of an update that is new here: without structs that are here already, and without
  // deletions of what is deleted already. To apply it does what applying the whole does, unless
  // somebody used an id twice: then the first use counts. Empty = nothing is new, or `malformed`.
  std::string WithoutKnown(std::string_view update, Malformed& malformed) const;

  // All that `known` lacks, the whole delete set and what is pending: Y.encodeStateAsUpdate.
  std::string EncodeStateAsUpdate(const StateVector& known = {}) const;
  StateVector state_vector() const;
  Clock ClockOf(Client client) const;  // What state_vector() says of one; cheap.
  DeleteSet delete_set() const;
  // The clocks that pending structs wait for: anyone who has them can help. Empty = none pending.
  StateVector missing() const;
  bool HasPending() const;
  // About what is pending takes.
  std::uint64_t pending_bytes() const;
  // How much of an update would be pending after Apply(); 0 of a malformed one. Costs as much.
  std::uint64_t BytesThatWouldWait(std::string_view update) const;

  // The root type of that name, which is there from now on. Its kind is whatever one asks for.
  TypeHandle Root(std::string_view name);
  // The same, if it is there.
  std::optional<TypeHandle> FindRoot(std::string_view name) const;
  std::vector<std::string> root_names() const;  // In the order of their first mention.
  // Of those that have something visible in their list; in the same order. Costs next to nothing
  // for the others.
  std::vector<std::string> filled_root_names() const;

  // What Doc.toJSON() yields when `roots` were asked for with these kinds.
  struct TypedRoot {
    std::string name;
    TypeKind kind;
  };
  std::string ToJson(const std::vector<TypedRoot>& roots) const;
  // The same of a document that anybody may have made: of no use once the budget is spent.
  std::string ToJson(const std::vector<TypedRoot>& roots, ViewBudget& budget) const;
  // Guids of the subdocuments that are not deleted; sorted, each as often as it is there.
  std::vector<std::string> Subdocuments() const;

  // About what this doc keeps in memory.
  std::size_t memory_bytes() const;

  void CheckInvariants() const;
  void CheckInvariantsDeep() const;

  // For the rest of the engine, undo and snapshots.
  ItemStore& store() { return *store_; }
  const ItemStore& store() const { return *store_; }
  Garbage garbage() const { return garbage_; }

 private:
  friend class Transaction;
  struct Pending;

  void Begin(Watch watch);
  void End(Watch watch, Outcome& outcome);
  // Why there is no room for a well-formed update; nothing if there is.
  Malformed RefuseSize(const ParsedUpdate& update) const;
  void Merge(const ParsedUpdate& update);
  void NoteAdvanced(ClientIndex writer);

  Garbage garbage_;
  std::unique_ptr<ItemStore> store_;
  std::unique_ptr<Pending> pending_;
  bool is_open_ = false;  // A transaction is.
};

}  // namespace coterie::crdt
