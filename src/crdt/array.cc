#include "crdt/array.h"

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/new_content.h"
#include "crdt/seek.h"
#include "crdt/transaction.h"
#include "crdt/view.h"

namespace coterie::crdt {

std::vector<TypeHandle> Array::Insert(Transaction& transaction, std::uint64_t index,
                                      const std::vector<NewContent>& contents) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return {};
  CHECK(index <= store.BranchAt(branch).length);
  const Gap gap = GapAfterUnit(store, branch, index);
  return InsertContents(store, transaction.writer(), branch, gap, contents);
}

std::vector<TypeHandle> Array::Push(Transaction& transaction,
                                    const std::vector<NewContent>& contents) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return {};
  const Gap gap{.left = store.TailOf(branch), .right = 0};
  return InsertContents(store, transaction.writer(), branch, gap, contents);
}

void Array::Delete(Transaction& transaction, std::uint64_t index, std::uint64_t length) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return;
  CHECK(index <= store.BranchAt(branch).length);
  CHECK(length <= store.BranchAt(branch).length - index);
  DeleteUnits(store, branch, index, length);
}

std::uint64_t Array::length() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? 0 : doc_->store().BranchAt(branch).length;
}

std::optional<std::string> Array::GetJson(std::uint64_t index) const {
  if (index >= length()) return std::nullopt;
  ItemStore& store = doc_->store();
  const Seeked seeked = SeekUnit(store, store.Resolve(type_), index);
  const auto offset = static_cast<Clock>(index - seeked.start);
  return coterie::crdt::ToJson(ContentToValue(store, store.At(seeked.item), offset));
}

std::optional<TypeHandle> Array::GetType(std::uint64_t index) const {
  if (index >= length()) return std::nullopt;
  ItemStore& store = doc_->store();
  const Item& item = store.At(SeekUnit(store, store.Resolve(type_), index).item);
  if (item.kind() != ContentKind::kType) return std::nullopt;
  return store.HandleOf(store.TypeOf(item));
}

std::string Array::ToJson() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return "[]";
  return coterie::crdt::ToJson(TypeToValue(store, branch, TypeKind::kArray));
}

}  // namespace coterie::crdt
