#pragma once

// All that a hot document consists of: clients with their structs, types with their lists, items
// with their content, and what the open transaction changed. It keeps the structures consistent
// with each other; it does not know Yjs's rules of where an item goes (integrate.h) nor of what
// happens at a transaction's end (cleanup.h). One owner: Doc.
// Source: yjs 13.6, src/utils/StructStore.js and src/structs/.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/utf8.h"
#include "crdt/arena.h"
#include "crdt/atoms.h"
#include "crdt/changes.h"
#include "crdt/crowds.h"
#include "crdt/id.h"
#include "crdt/item.h"
#include "crdt/lib0.h"
#include "crdt/order_index.h"
#include "crdt/scan_set.h"
#include "crdt/slab.h"
#include "crdt/struct_list.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

struct ClientState {
  Client id;
  Clock end = 0;     // The next clock that is not there yet.
  Clock before = 0;  // The same when the transaction began, if it is in Changes::touched.
  bool is_touched = false;
  StructList structs;
  // Room in the slab behind what the client wrote last, so that what it types stays in one piece.
  Address run_next = 0;
  std::uint32_t run_left = 0;
  std::uint32_t run_size = 0;
};

// Where content is and how long, for all that is not ASCII text.
struct Extent {
  Address address = 0;
  std::uint32_t bytes = 0;
  std::uint32_t extra = 0;  // kString: code points. kFormat: the key's atom.
};

class ItemStore {
 public:
  ItemStore();
  ItemStore(const ItemStore&) = delete;
  ItemStore& operator=(const ItemStore&) = delete;

  // Items.
  Item& At(ItemRef ref) { return arena_.At(ref); }
  const Item& At(ItemRef ref) const { return arena_.At(ref); }
  ItemRef NewItem() { return arena_.New(); }
  // Gives back the record, not the content.
  void FreeItem(ItemRef ref) {
    if (ref == last_searched_) last_searched_ = 0;
    arena_.Free(ref);
  }

  // Clients.
  ClientIndex InternClient(Client client);
  ClientIndex FindClient(Client client) const;  // kNoClient if there is none.
  ClientState& ClientAt(ClientIndex index) { return clients_[index]; }
  const ClientState& ClientAt(ClientIndex index) const { return clients_[index]; }
  std::size_t clients_count() const { return clients_.size(); }
  // Those with structs, descending by id.
  const std::vector<ClientIndex>& ClientsDescending() const;
  Id ToId(LocalId id) const { return {.client = clients_[id.client].id, .clock = id.clock}; }
  bool Has(LocalId id) const { return id.clock < clients_[id.client].end; }
  // What `end` was when the transaction began.
  Clock BeforeClock(ClientIndex client) const {
    const ClientState& state = clients_[client];
    return state.is_touched ? state.before : state.end;
  }
  void Touch(ClientIndex client);

  // Structs by id. Require one that is there.
  StructList::Place FindPlace(LocalId id) const {
    return clients_[id.client].structs.Find(id.clock);
  }
  ItemRef FindItem(LocalId id) const { return clients_[id.client].structs.At(FindPlace(id)); }
  // The one that begins, or ends, exactly there: splits if need be, but for kGc.
  ItemRef CleanStart(LocalId id);
  ItemRef CleanEnd(LocalId id);
  // Makes of `ref` its first `length` clocks; yields the rest. Requires 0 < length < its length.
  ItemRef Split(ItemRef ref, Clock length);
  ItemRef SplitAt(ClientIndex client, StructList::Place place, Clock length);
  // Puts a new struct behind the client's last one.
  void AppendStruct(ItemRef ref);

  // Types.
  Branch& BranchAt(BranchRef ref) { return branches_[ref]; }
  const Branch& BranchAt(BranchRef ref) const { return branches_[ref]; }
  BranchRef NewBranch();
  void FreeBranch(BranchRef ref);
  BranchRef InternRoot(std::string_view name);
  BranchRef FindRoot(std::string_view name) const;  // 0 if there is none.
  const std::vector<BranchRef>& roots() const { return roots_; }
  // Of a formatting mark that came among the children. Counts the attributes that the text has by
  // then if it is one of them that is new: who edits or reads it may have to go over all of them.
  void NoteMark(BranchRef ref, const Item& mark);
  // 0 if the handle's type is gone, or its item is deleted.
  BranchRef Resolve(TypeHandle handle) const;
  TypeHandle HandleOf(BranchRef ref) const {
    return {.branch = ref, .generation = branches_[ref].generation};
  }
  std::size_t branches_count() const { return branches_.size(); }

  // Lists.
  Sequence& SequenceAt(SequenceRef ref) { return sequences_[ref]; }
  const Sequence& SequenceAt(SequenceRef ref) const { return sequences_[ref]; }
  SequenceRef ChildrenOf(BranchRef branch);  // Made if there is none yet.
  SequenceRef KeyOf(BranchRef branch, Atom key);
  SequenceRef FindKey(BranchRef branch, Atom key) const;  // 0 if there is none.
  ItemRef HeadOf(BranchRef branch) const {
    return sequences_[branches_[branch].children].head;  // sequences_[0] is empty.
  }
  ItemRef TailOf(BranchRef branch) const { return sequences_[branches_[branch].children].tail; }
  BranchRef BranchOf(const Item& item) const { return sequences_[item.sequence].branch; }
  bool IsKeyed(const Item& item) const { return sequences_[item.sequence].key != 0; }
  // Puts the item behind its `left`, or first, in its sequence; sets its `right`.
  void Link(ItemRef ref);
  // Takes it out of the chain of its sequence; the caller has taken it out of the index.
  void Unlink(ItemRef ref);
  // To be called before it is marked as deleted: sizes of the branch and its index follow.
  void UncountVisible(ItemRef ref);
  // What undo made of it again (Item.js, redone).
  LocalId RedoneOf(ItemRef ref) const { return redone_.at(ref); }
  void SetRedone(ItemRef ref, LocalId id) {
    redone_[ref] = id;
    At(ref).is_redone = true;
  }

  // Positions in the children of a branch.
  OrderIndex& index() { return index_; }
  const OrderIndex& index() const { return index_; }
  // Makes sure that there is an index, if the list is long enough to need one.
  bool MaybeBuildIndex(BranchRef branch);
  // However short it is; requires that it is not empty.
  void BuildIndex(BranchRef branch);
  void DropIndex(BranchRef branch);
  std::uint32_t VisibleUnits(ItemRef ref) const {
    const Item& item = At(ref);
    return item.IsVisible() ? item.length : 0;
  }
  TextSize VisibleSize(ItemRef ref) const;
  TextSize ContentSize(const Item& item) const;  // Deleted or not.

  // Content (content.cc). What sets it requires an item that has client and length, and no content.
  void SetText(Item& item, std::string_view text);
  // kJson, kAny: the values without their number; kBinary, kEmbed, kDoc: as in an update.
  void SetPayload(Item& item, ContentKind kind, std::string_view payload);
  void SetFormat(Item& item, Atom key, std::string_view json);
  void SetType(ItemRef ref, TypeKind kind, std::string_view name);
  void SetDeleted(Item& item) { item.set_kind(ContentKind::kDeleted); }
  // Appends to the text of a kString that is its client's last struct.
  void ExtendLast(ItemRef ref, std::string_view text, Clock length);
  // Frees the bytes; the kind stays. Not for kType.
  void FreeContent(Item& item);
  void SplitContent(Item& left, Item& right, Clock length);
  static bool CanMergeContent(const Item& left, const Item& right);
  void MergeContent(Item& left, Item& right);
  // As it is written in an update, without the first `offset` clocks.
  void WriteContent(const Item& item, Clock offset, Lib0Writer& writer) const;
  // Of a kAny or kJson, from the value `offset` on.
  std::string_view ValuesFrom(const Item& item, Clock offset) const;
  std::string_view TextOf(const Item& item) const;   // kString alone.
  std::string_view BytesOf(const Item& item) const;  // Kinds that have an extent.
  const Extent& ExtentOf(const Item& item) const { return extents_[item.content]; }
  BranchRef TypeOf(const Item& item) const { return item.content; }  // kType alone.
  Atoms& atoms() { return atoms_; }
  const Atoms& atoms() const { return atoms_; }
  bool HasRoomFor(std::size_t bytes) const { return slab_.HasRoomFor(bytes); }

  // The open transaction.
  Changes& changes() { return changes_; }
  const Changes& changes() const { return changes_; }
  void EndChanges();
  ScanSet& scan_set() { return scan_set_; }
  // So many items were gone over by searches for a place (integrate.h) since the store was made,
  // and attributes by those for what is in force at one (rich_text.h) and by NoteMark().
  std::uint64_t scanned_items() const { return scanned_items_; }
  // Once there are more than that the searches give up, and the order of things is no longer Yjs's.
  void LimitScannedItems(std::uint64_t max) { scanned_items_max_ = max; }
  bool HasScannedTooMuch() const { return scanned_items_ > scanned_items_max_; }
  void CountScanned(std::uint64_t items) { scanned_items_ += items; }
  Crowds& crowds() { return crowds_; }
  // The item whose place was searched for last in this transaction, if no item was put into or
  // taken out of any list since; 0 = none.
  ItemRef last_searched() const { return last_searched_; }
  void SetLastSearched(ItemRef ref) { last_searched_ = ref; }

  std::size_t memory_bytes() const;
  void CheckInvariantsDeep() const;

 private:
  friend class StoreChecker;

  static std::uint64_t SlotKey(BranchRef branch, Atom key) {
    return (std::uint64_t{branch} << 32) | key;
  }
  SequenceRef NewSequence(BranchRef branch, Atom key);
  std::uint32_t NewExtent(const Extent& extent);
  void FreeExtent(std::uint32_t extent);
  void DropAnchors(const Item& item);
  // Where the bytes of a kString, kAny or kJson are.
  Extent RawOf(const Item& item) const;
  void SetRaw(Item& item, const Extent& raw, Clock length);
  void SplitText(Item& left, Item& right, Clock length);
  void SplitPair(const Extent& whole, std::uint32_t pair, Extent& left, Extent& right);
  void Append(Item& item, std::string_view bytes, std::uint64_t code_points, Clock length);
  Address AllocateFor(ClientState& client, std::size_t bytes);
  void OpenRun(ClientState& client, std::size_t bytes);

  ItemArena arena_;
  Slab slab_;
  Atoms atoms_;
  OrderIndex index_;
  std::vector<ClientState> clients_;
  std::unordered_map<Client, ClientIndex> client_indexes_;
  mutable std::vector<ClientIndex> descending_;
  mutable bool is_descending_sorted_ = true;
  std::vector<Branch> branches_;                         // [0] is not used.
  std::vector<Sequence> sequences_;                      // [0] is empty for ever.
  std::unordered_map<std::uint64_t, SequenceRef> keys_;  // SlotKey() -> sequence.
  std::vector<BranchRef> roots_;
  std::unordered_map<Atom, BranchRef> root_names_;
  std::unordered_map<ItemRef, LocalId> redone_;
  std::unordered_map<BranchRef, std::unordered_set<Atom>> marked_keys_;  // Of the many, see there.
  std::vector<Extent> extents_;                                          // [0] is not used.
  BranchRef free_branch_ = 0;
  SequenceRef free_sequence_ = 0;
  std::uint32_t free_extent_ = 0;
  Changes changes_;
  ScanSet scan_set_;
  std::uint64_t scanned_items_ = 0;
  std::uint64_t scanned_items_max_ = std::numeric_limits<std::uint64_t>::max();
  Crowds crowds_;
  ItemRef last_searched_ = 0;
  // Where values begin, by client and clock: every so many of a kAny or kJson that is long, found
  // while going over it. Clocks outlive splits and merges.
  mutable std::unordered_map<ClientIndex, std::map<Clock, Address>> anchors_;
};

}  // namespace coterie::crdt
