#include "crdt/text.h"

#include <algorithm>
#include <unordered_set>

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
    const Clock size = store.At(gap.left).length;
    store.ExtendLast(gap.left, text, length);
    NoteChanged(store, ref, 0);
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

// Where the unit or code point `position` of a text begins; empty if it is within one.
std::optional<std::size_t> OffsetIn(std::string_view text, std::uint64_t position,
                                    Measure measure) {
  const std::uint64_t units = Utf16Length(text);
  if (units == text.size()) return position;
  std::size_t offset = 0;
  std::uint64_t seen = 0;
  while (seen < position) {
    const std::size_t size = CodePointLength(text.substr(offset));
    CHECK(size > 0);
    seen += size == 4 && measure == Measure::kUnits ? 2 : 1;
    offset += size;
  }
  if (seen > position) return std::nullopt;
  return offset;
}

bool IsXmlNode(const ItemStore& store, ItemRef ref) {
  const Item& item = store.At(ref);
  if (item.kind() != ContentKind::kType) return false;
  const TypeKind kind = store.BranchAt(store.TypeOf(item)).kind;
  return kind == TypeKind::kXmlElement || kind == TypeKind::kXmlText ||
         kind == TypeKind::kXmlHook || kind == TypeKind::kXmlFragment;
}

}  // namespace

void Text::Insert(Transaction& transaction, std::uint64_t index, std::string_view text) {
  CHECK(&transaction.doc() == doc_);
  const BranchRef branch = doc_->store().Resolve(type_);
  if (branch == 0 || text.empty()) return;
  ItemStore& store = doc_->store();
  if (!store.BranchAt(branch).has_formats()) {
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
  if (!store.BranchAt(branch).has_formats()) return DeleteUnits(store, branch, index, length);
  RichText rich(store, transaction.writer(), branch);
  rich.MoveTo(index);
  rich.Delete(length);
}

Text::Stretch Text::StretchAt(BranchRef branch, std::uint64_t index,
                              std::uint64_t length_max) const {
  ItemStore& store = doc_->store();
  const bool is_indexed = store.MaybeBuildIndex(branch);
  const auto is_rich = [&store](ItemRef ref) {
    const ContentKind kind = store.At(ref).kind();
    return kind == ContentKind::kString || kind == ContentKind::kEmbed ||
           kind == ContentKind::kType;
  };
  const Seeked seeked = SeekUnit(store, branch, index);
  Stretch stretch{.is_rich = is_rich(seeked.item)};
  ItemRef ref = seeked.item;
  std::uint64_t offset = index - seeked.start;
  while (ref != 0 && stretch.length < length_max) {
    if (store.At(ref).IsVisible()) {
      if (is_rich(ref) != stretch.is_rich) return stretch;
      stretch.length += store.At(ref).length - offset;
      offset = 0;
    }
    ref = is_indexed ? store.index().NextLive(ref) : store.At(ref).right;
  }
  stretch.length = std::min(stretch.length, length_max);
  return stretch;
}

void Text::DeleteAll(Transaction& transaction, std::uint64_t index, std::uint64_t length) {
  CHECK(&transaction.doc() == doc_);
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0 || length == 0) return;
  CHECK(index + length <= store.BranchAt(branch).length);
  if (!store.BranchAt(branch).has_formats()) return DeleteUnits(store, branch, index, length);
  while (length > 0) {
    const Stretch stretch = StretchAt(branch, index, length);
    CHECK(stretch.length > 0);
    if (stretch.is_rich) {
      Delete(transaction, index, stretch.length);
    } else {
      DeleteUnits(store, branch, index, stretch.length);
    }
    length -= stretch.length;
  }
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

// `ref` itself, if it is visible, or else the next one that is; 0 if there is none.
ItemRef Text::NextVisible(ItemRef ref, bool is_indexed) const {
  const ItemStore& store = doc_->store();
  while (ref != 0 && !store.At(ref).IsVisible()) {
    ref = is_indexed ? store.index().NextLive(ref) : store.At(ref).right;
  }
  return ref;
}

ItemRef Text::FirstVisible(BranchRef branch) const {
  const bool is_indexed = doc_->store().MaybeBuildIndex(branch);
  return NextVisible(doc_->store().HeadOf(branch), is_indexed);
}

bool Text::HasMoreAttributesThan(std::size_t count) const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0 || store.BranchAt(branch).marks_count <= count) return false;
  std::unordered_set<Atom> attributes;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    const Item& item = store.At(ref);
    if (item.is_deleted || item.kind() != ContentKind::kFormat) continue;
    attributes.insert(store.ExtentOf(item).extra);
    if (attributes.size() > count) return true;
  }
  return false;
}

bool Text::IsText() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0 || length() == 0) return true;
  const ContentKind kind = store.At(FirstVisible(branch)).kind();
  return kind == ContentKind::kString || kind == ContentKind::kEmbed;
}

bool Text::IsXml() const {
  const ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0 || length() == 0) return false;
  return IsXmlNode(store, FirstVisible(branch));
}

std::optional<bool> Text::HasLetters(std::uint64_t& units_left) const {
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return false;
  std::vector<BranchRef> nodes = {branch};  // Still to be looked into.
  while (!nodes.empty()) {
    const BranchRef node = nodes.back();
    nodes.pop_back();
    const bool is_indexed = store.MaybeBuildIndex(node);
    ItemRef ref = NextVisible(store.HeadOf(node), is_indexed);
    while (ref != 0) {
      const Item& item = store.At(ref);
      if (item.kind() == ContentKind::kString) return true;
      // Units, not items: how those are cut depends on how the doc came to be.
      if (item.length > units_left) return std::nullopt;
      units_left -= item.length;
      if (IsXmlNode(store, ref)) nodes.push_back(store.TypeOf(item));
      ref = NextVisible(is_indexed ? store.index().NextLive(ref) : item.right, is_indexed);
    }
  }
  return false;
}

std::string Text::ToString() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? std::string() : TypeToString(doc_->store(), branch, TypeKind::kText);
}

Delta Text::ToDelta() const {
  const BranchRef branch = doc_->store().Resolve(type_);
  return branch == 0 ? Delta() : TypeToDelta(doc_->store(), branch);
}

TextSize Text::size() const {
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  if (branch == 0) return {};
  if (store.MaybeBuildIndex(branch)) return store.index().Total(store.BranchAt(branch).index_root);
  TextSize size;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    size += store.VisibleSize(ref);
  }
  return size;
}

// The visible item that holds what is at `position`, which is there.
OrderIndex::Spot Text::FindSpot(BranchRef branch, std::uint64_t position, Measure measure) const {
  ItemStore& store = doc_->store();
  if (store.MaybeBuildIndex(branch)) {
    return store.index().Find(store.BranchAt(branch).index_root, position, measure);
  }
  OrderIndex::Spot spot{.item = store.HeadOf(branch), .rest = position, .before = {}};
  while (true) {
    CHECK(spot.item != 0);
    const TextSize size = store.VisibleSize(spot.item);
    if (spot.rest < SizeIn(size, measure)) return spot;
    spot.rest -= SizeIn(size, measure);
    spot.before += size;
    spot.item = store.At(spot.item).right;
  }
}

std::optional<TextSize> Text::Locate(std::uint64_t position, PositionUnit unit) const {
  const Measure measure = unit == PositionUnit::kUtf16 ? Measure::kUnits : Measure::kCodePoints;
  const BranchRef branch = doc_->store().Resolve(type_);
  const TextSize total = size();
  if (position > SizeIn(total, measure)) return std::nullopt;
  if (position == SizeIn(total, measure)) return total;
  const OrderIndex::Spot spot = FindSpot(branch, position, measure);
  const Item& item = doc_->store().At(spot.item);
  if (item.kind() != ContentKind::kString) {
    return spot.before + TextSize{.bytes = 0, .utf16 = spot.rest, .code_points = spot.rest};
  }
  const std::string_view text = doc_->store().TextOf(item);
  const std::optional<std::size_t> offset = OffsetIn(text, spot.rest, measure);
  if (!offset) return std::nullopt;
  return spot.before + MeasureUtf8(text.substr(0, *offset));
}

std::vector<Text::Embedded> Text::Embeds() const {
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  std::vector<Embedded> embeds;
  if (branch == 0) return embeds;
  const bool is_indexed = store.MaybeBuildIndex(branch);
  std::uint64_t bytes = 0;
  ItemRef ref = store.HeadOf(branch);
  while (ref != 0) {
    const TextSize size = store.VisibleSize(ref);
    bytes += size.bytes;
    const bool is_embed = size.bytes == 0 && size.utf16 > 0;
    if (is_embed) embeds.push_back({.position_bytes = bytes, .units = size.utf16});
    ref = is_indexed ? store.index().NextLive(ref) : store.At(ref).right;
  }
  return embeds;
}

std::string Text::Slice(std::uint64_t begin_bytes, std::uint64_t size_bytes) const {
  std::string slice;
  if (size_bytes == 0) return slice;
  ItemStore& store = doc_->store();
  const BranchRef branch = store.Resolve(type_);
  CHECK(branch != 0);
  slice.reserve(size_bytes);
  const OrderIndex::Spot spot = FindSpot(branch, begin_bytes, Measure::kBytes);
  std::uint64_t offset = spot.rest;
  const bool is_indexed = store.BranchAt(branch).index_root != 0;
  ItemRef ref = spot.item;
  while (slice.size() < size_bytes) {
    CHECK(ref != 0);
    const Item& item = store.At(ref);
    if (item.kind() == ContentKind::kString && !item.is_deleted) {
      slice += store.TextOf(item).substr(offset, size_bytes - slice.size());
      offset = 0;
    }
    ref = is_indexed ? store.index().NextLive(ref) : item.right;
  }
  return slice;
}

}  // namespace coterie::crdt
