#include "crdt/map.h"

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/new_content.h"
#include "crdt/transaction.h"
#include "crdt/view.h"

namespace coterie::crdt {

TypeHandle Map::Set(Transaction& transaction, std::string_view key, const NewContent& content) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return {};
  const SequenceRef sequence = store.KeyOf(branch, store.atoms().Intern(key));
  return SetContentOf(store, transaction.writer(), sequence, content);
}

void Map::Delete(Transaction& transaction, std::string_view key) {
  CHECK(&transaction.doc() == doc_);
  const ItemRef item = Find(key);
  if (item != 0) crdt::Delete(doc_->store(), item);
}

void Map::Clear(Transaction& transaction) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return;
  SequenceRef key = store.BranchAt(branch).first_key;
  for (; key != 0; key = store.SequenceAt(key).next_key) {
    const ItemRef tail = store.SequenceAt(key).tail;
    if (tail != 0) crdt::Delete(store, tail);
  }
}

// The item that holds the key's value; 0 if it has none.
ItemRef Map::Find(std::string_view key) const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  return branch == 0 ? 0 : ValueItemOf(store, branch, store.atoms().Find(key));
}

bool Map::Has(std::string_view key) const { return Find(key) != 0; }

std::optional<std::string> Map::GetJson(std::string_view key) const {
  const ItemRef ref = Find(key);
  if (ref == 0) return std::nullopt;
  const Item& item = doc_->store().At(ref);
  return coterie::crdt::ToJson(ContentToValue(doc_->store(), item, item.length - 1));
}

std::optional<TypeHandle> Map::GetType(std::string_view key) const {
  const ItemRef ref = Find(key);
  const ItemStore& store = doc_->store();
  if (ref == 0 || store.At(ref).kind() != ContentKind::kType) return std::nullopt;
  return store.HandleOf(store.TypeOf(store.At(ref)));
}

std::vector<std::string> Map::keys() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  std::vector<std::string> keys;
  SequenceRef key = branch == 0 ? 0 : store.BranchAt(branch).first_key;
  for (; key != 0; key = store.SequenceAt(key).next_key) {
    const Sequence& sequence = store.SequenceAt(key);
    if (sequence.tail == 0 || store.At(sequence.tail).is_deleted) continue;
    keys.emplace_back(store.atoms().Text(sequence.key));
  }
  return keys;
}

std::string Map::ToJson() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return "{}";
  return coterie::crdt::ToJson(TypeToValue(store, branch, TypeKind::kMap));
}

}  // namespace coterie::crdt
