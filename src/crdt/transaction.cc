#include "crdt/transaction.h"

#include "base/check.h"
#include "crdt/item_store.h"

namespace coterie::crdt {

Transaction::Transaction(Doc& doc, Client writer, Watch watch)
    : doc_(doc), writer_(doc.store().InternClient(writer)), watch_(watch) {
  CHECK(writer.value() <= kClientMax);
  doc_.Begin(watch);
}

Transaction::~Transaction() {
  if (!is_open_) return;
  Outcome outcome;
  watch_ = Watch::kNothing;
  Commit(outcome);
}

Outcome Transaction::Commit() {
  Outcome outcome;
  Commit(outcome);
  return outcome;
}

void Transaction::Commit(Outcome& outcome) {
  CHECK(is_open_);
  is_open_ = false;
  doc_.NoteAdvanced(writer_);
  doc_.End(watch_, outcome);
}

}  // namespace coterie::crdt
