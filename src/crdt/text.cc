#include "crdt/text.h"

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/seek.h"
#include "crdt/transaction.h"

namespace coterie::crdt {
namespace {

// Whether what the writer inserts between the two would be merged into the left one right away.
bool Continues(const ItemStore& store, ClientIndex writer, const Gap& gap) {
  if (gap.left == 0) return false;
  const Item& left = store.At(gap.left);
  const LocalId right = gap.right == 0 ? LocalId{} : store.At(gap.right).id();
  return left.client == writer && left.kind() == ContentKind::kString && !left.is_deleted &&
         !left.is_redone && left.end() == store.ClientAt(writer).end && left.right_origin == right;
}

void InsertPlain(ItemStore& store, ClientIndex writer, BranchRef ref, std::uint64_t index,
                 std::string_view text) {
  const auto length = static_cast<Clock>(Utf16Length(text));
  index = std::min(index, store.BranchAt(ref).length);
  const Gap gap = GapBeforeUnit(store, ref, index);
  CHECK(std::uint64_t{store.ClientAt(writer).end} + length <= kClockMax);
  if (Continues(store, writer, gap)) {
    store.Touch(writer);
    const Clock size = store.At(gap.left).length;
    store.ExtendText(gap.left, text, length);
    store.ClientAt(writer).end += length;
    store.BranchAt(ref).cached_item = gap.left;
    store.BranchAt(ref).cached_start = index - size;
    return;
  }
  const ItemRef item = NewBetween(store, writer, gap.left, gap.right, store.ChildrenOf(ref));
  store.At(item).length = length;
  store.SetText(store.At(item), text);
  Integrate(store, item);
  store.BranchAt(ref).cached_item = item;
  store.BranchAt(ref).cached_start = index;
}

}  // namespace

void Text::Insert(Transaction& transaction, std::uint64_t index, std::string_view text) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0 || text.empty()) return;
  InsertPlain(doc_->store(), transaction.writer(), branch, index, text);
}

void Text::Delete(Transaction& transaction, std::uint64_t index, std::uint64_t length) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0) return;
  DeleteUnits(doc_->store(), branch, index, length);
}

std::uint64_t Text::length() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? 0 : doc_->store().BranchAt(branch).length;
}

std::string Text::ToString() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  std::string text;
  if (branch == 0) return text;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    const Item& item = store.At(ref);
    if (item.kind() == ContentKind::kString && !item.is_deleted) text += store.TextOf(item);
  }
  return text;
}

}  // namespace coterie::crdt
