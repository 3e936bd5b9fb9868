#pragma once

// One step of a doc's history: what is done between construction and Commit() is one update.
// A local one has a writer, whose client id must be the writer's alone: two who write with one id
// diverge for ever. One at a time per doc. Source: yjs 13.6, src/utils/Transaction.js.

#include "crdt/doc.h"
#include "crdt/events.h"
#include "crdt/id.h"
#include "crdt/item.h"

namespace coterie::crdt {

class Transaction {
 public:
  // Opens a local transaction. Requires that none is open.
  Transaction(Doc& doc, Client writer, Watch watch = Watch::kUpdate);
  // Commits, if that was not done.
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Collects garbage, merges what can be merged, and says what happened; the last call. The second
  // wants `outcome.watched`, and uses its memory again.
  Outcome Commit();
  void Commit(Outcome& outcome);

  // For the parts of the engine that edit.
  Doc& doc() { return doc_; }
  ItemStore& store() { return doc_.store(); }
  ClientIndex writer() const { return writer_; }

 private:
  Doc& doc_;
  ClientIndex writer_;
  Watch watch_;
  bool is_open_ = true;
};

}  // namespace coterie::crdt
