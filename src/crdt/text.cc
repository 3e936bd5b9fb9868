#include "crdt/text.h"

#include <algorithm>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/seek.h"
#include "crdt/transaction.h"
#include "crdt/view.h"

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
  ItemStore& store = doc_->store();
  if (!store.BranchAt(branch).has_formats) {
    return InsertPlain(store, transaction.writer(), branch, index, text);
  }
  RichText rich(store, transaction.writer(), branch);
  rich.MoveTo(index);
  rich.InsertLikeLeft({.kind = ContentKind::kString, .text = text});
}

void Text::Insert(Transaction& transaction, std::uint64_t index, std::string_view text,
                  const Attributes& attributes) {
  if (!text.empty()) {
    InsertRich(transaction, index, {.kind = ContentKind::kString, .text = text}, attributes);
  }
}

void Text::InsertEmbed(Transaction& transaction, std::uint64_t index, std::string_view json,
                       const Attributes& attributes) {
  InsertRich(transaction, index, {.kind = ContentKind::kEmbed, .text = json}, attributes);
}

TypeHandle Text::InsertType(Transaction& transaction, std::uint64_t index, const NewType& type,
                            const Attributes& attributes) {
  const ItemRef item =
      InsertRich(transaction, index, {.kind = ContentKind::kType, .type = &type}, attributes);
  if (item == 0) return {};
  const ItemStore& store = doc_->store();
  return store.HandleOf(store.TypeOf(store.At(item)));
}

// With exactly these attributes; 0 if this text is gone.
ItemRef Text::InsertRich(Transaction& transaction, std::uint64_t index,
                         const RichText::Insertion& insertion, const Attributes& attributes) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0) return 0;
  RichText rich(doc_->store(), transaction.writer(), branch);
  rich.MoveTo(index);
  return rich.Insert(insertion, attributes);
}

void Text::Delete(Transaction& transaction, std::uint64_t index, std::uint64_t length) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0 || length == 0) return;
  if (!store.BranchAt(branch).has_formats) return DeleteUnits(store, branch, index, length);
  RichText rich(store, transaction.writer(), branch);
  rich.MoveTo(index);
  rich.Delete(length);
}

void Text::Format(Transaction& transaction, std::uint64_t index, std::uint64_t length,
                  const Attributes& attributes) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0 || length == 0) return;
  RichText rich(doc_->store(), transaction.writer(), branch);
  rich.MoveTo(index);
  if (!rich.AtEnd()) rich.Format(length, attributes);
}

void Text::ApplyDelta(Transaction& transaction, const Delta& delta) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0) return;
  RichText rich(doc_->store(), transaction.writer(), branch);
  for (const DeltaOp& op : delta) {
    switch (op.kind) {
      case DeltaOp::Kind::kText:
        if (!op.text.empty()) {
          rich.Insert({.kind = ContentKind::kString, .text = op.text}, op.attributes);
        }
        break;
      case DeltaOp::Kind::kEmbed:
        rich.Insert({.kind = ContentKind::kEmbed, .text = op.text}, op.attributes);
        break;
      case DeltaOp::Kind::kRetain:
        if (op.attributes.empty()) {
          rich.Retain(op.length);
        } else {
          rich.Format(op.length, op.attributes);
        }
        break;
      case DeltaOp::Kind::kDelete:
        rich.Delete(op.length);
        break;
      case DeltaOp::Kind::kType:
      case DeltaOp::Kind::kValues:
        CHECK(false);  // A type has content of its own, which a delta does not carry.
    }
  }
}

std::uint64_t Text::length() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? 0 : doc_->store().BranchAt(branch).length;
}

std::string Text::ToString() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? std::string() : TypeToString(doc_->store(), branch, TypeKind::kText);
}

Delta Text::ToDelta() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? Delta() : TypeToDelta(doc_->store(), branch);
}

}  // namespace coterie::crdt
