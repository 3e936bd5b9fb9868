#pragma once

// Undo and redo for one writer of a doc, over what others do in between. A step is what one or
// several transactions inserted and deleted: to undo it is to delete what is still there of the
// first and to make the second anew, as new items at the old places. While a step can be undone,
// what it deleted is not collected as garbage.
// Not a history of versions (snapshot.h). Owner: who owns the doc, which must outlive it.
// Source: yjs 13.6, src/utils/UndoManager.js, redoItem in src/structs/Item.js.

#include <cstdint>
#include <deque>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "crdt/delete_set.h"
#include "crdt/events.h"
#include "crdt/item.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;
class ItemStore;
class Transaction;

// Of each of the two stacks; the oldest step is forgotten then.
inline constexpr std::size_t kUndoStepsMax = 1000;

class UndoHistory {
 public:
  struct Options {
    Client writer;
    // The types that count, with all that is in them; empty = the whole doc.
    std::vector<TypeHandle> scope;
    // A transaction that follows the last one within so many ticks joins its step.
    std::uint64_t join_ticks;
    // Of a key's value: whether to undo although somebody else has set it since.
    enum class OthersValues : std::uint8_t { kKeep, kReplace } others_values;
  };
  UndoHistory(Doc& doc, Options options);

  // Takes note of what a transaction did, right before it commits: every one that shall be undone
  // goes through here. One that changed nothing in scope is ignored; others end what can be redone.
  void Capture(Transaction& transaction, Ticks now);
  // The next transaction begins a new step.
  void StopJoining() { last_capture_ = Ticks(); }

  // Goes a step back, or forth again, in a transaction of its own. False if there was none that
  // changed anything.
  bool Undo(Outcome& outcome, Watch watch);
  bool Redo(Outcome& outcome, Watch watch);
  void Clear();

  std::size_t undo_steps() const { return undo_.size(); }
  std::size_t redo_steps() const { return redo_.size(); }

 private:
  // Ids by client, in the order in which the clients came: it decides which clocks what is redone
  // gets.
  struct IdSet {
    DeleteSet ids;
    std::vector<Client> order;
    void Add(Client client, ClockRange range);
    void Add(const IdSet& other);
  };
  struct Step {
    IdSet inserted;
    IdSet deleted;
  };
  using Steps = std::deque<Step>;

  bool Pop(Steps& from, Steps& to, Outcome& outcome, Watch watch);
  bool Revert(Transaction& transaction, const Step& step);
  ItemRef Redo(ItemRef ref, const Step& step, int depth);
  ItemRef FindNeighbour(ItemRef from, ItemRef parent, bool goes_left);
  // False if somebody else's value stands in the way.
  bool FindLeftOfKey(ItemRef ref, BranchRef parent, const Step& step, ItemRef& left);
  void CopyContent(ItemRef from, ItemRef to);

  Step TakeNote() const;
  bool TouchesScope(const Step& step);
  void Push(Steps& steps, Step step);
  void Forget(Steps& steps);
  void Keep(ItemRef ref, bool is_kept);
  void KeepDeleted(const Step& step, bool is_kept);
  std::vector<ItemRef> ItemsOf(const IdSet& set);
  bool IsInScope(ItemRef ref) const;
  bool IsDeletedByStep(Id id) const;

  Doc& doc_;
  ItemStore& store_;
  Options options_;
  Steps undo_;
  Steps redo_;
  Ticks last_capture_;                   // 0 = the next one begins a step.
  std::unordered_set<ItemRef> redoing_;  // All that the step at hand deletes.
};

}  // namespace coterie::crdt
