#include "crdt/observe.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/item_store.h"
#include "crdt/rich_text.h"
#include "crdt/view.h"

namespace coterie::crdt {
namespace {

// What became of a piece of an item. What came and went again is not there.
enum class Fate : std::uint8_t { kKept, kAdded, kDeleted, kNone };

// The old and the new part of an item: a writer's last item may have grown.
struct Parts {
  Clock old_length = 0;
  Fate old_fate = Fate::kNone;
  Fate new_fate = Fate::kNone;
};

bool IsDeletedNow(const ItemStore& store, const Item& item) {
  const std::vector<Changes::Deleted>& deleted = store.changes().deleted;
  const auto after = std::upper_bound(
      deleted.begin(), deleted.end(), item, [](const Item& at, const Changes::Deleted& range) {
        return at.client != range.client ? at.client < range.client : at.clock < range.begin;
      });
  if (after == deleted.begin()) return false;
  const Changes::Deleted& range = *(after - 1);
  return range.client == item.client && item.clock < range.end;
}

Parts PartsOf(const ItemStore& store, const Item& item) {
  const Clock before = store.BeforeClock(item.client);
  Parts parts;
  if (item.clock < before) {
    parts.old_length = std::min(item.length, before - item.clock);
    const bool is_deleted_now = item.is_deleted && IsDeletedNow(store, item);
    if (is_deleted_now) parts.old_fate = Fate::kDeleted;
    if (!item.is_deleted) parts.old_fate = Fate::kKept;
  }
  if (parts.old_length < item.length && !item.is_deleted) parts.new_fate = Fate::kAdded;
  return parts;
}

bool IsAdded(const ItemStore& store, const Item& item) {
  return item.clock >= store.BeforeClock(item.client);
}

// The first `units` units of a text, and the rest. A pair that is cut belongs to neither.
std::pair<std::string_view, std::string_view> CutText(std::string_view text, Clock units) {
  std::size_t at = 0;
  Clock seen = 0;
  if (text.size() == Utf16Length(text)) return {text.substr(0, units), text.substr(units)};
  while (seen < units) {
    const std::size_t size = CodePointLength(text.substr(at));
    CHECK(size > 0);
    seen += size == 4 ? 2 : 1;
    at += size;
  }
  return {text.substr(0, at), text.substr(at)};
}

// The items of a branch that the transaction touched, in the order of the list.
std::vector<ItemRef> TouchedItems(const ItemStore& store, BranchRef branch) {
  const SequenceRef children = store.BranchAt(branch).children;
  std::vector<ItemRef> items;
  const auto take = [&](ClientIndex client, Clock begin, Clock end) {
    const StructList& structs = store.ClientAt(client).structs;
    StructList::Place place = structs.Find(begin);
    do {
      const ItemRef ref = structs.At(place);
      if (store.At(ref).clock >= end) break;
      if (!store.At(ref).IsGc() && store.At(ref).sequence == children) items.push_back(ref);
    } while (structs.MoveRight(place));
  };
  for (const ClientIndex client : store.changes().touched) {
    take(client, store.ClientAt(client).before, store.ClientAt(client).end);
  }
  for (const Changes::Deleted& range : store.changes().deleted) {
    const Clock before = store.BeforeClock(range.client);
    if (range.begin < before) take(range.client, range.begin, std::min(range.end, before));
  }
  for (const Changes::CutPair& pair : store.changes().cut_pairs) {
    take(pair.first.client, pair.first.clock, pair.first.clock + 2);
  }
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  std::sort(items.begin(), items.end(),
            [&](ItemRef a, ItemRef b) { return a != b && store.index().IsBefore(a, b); });
  return items;
}

// What an observation yields, and what it keeps to cost no more than the changes are long.
struct TextChanges {
  std::vector<TextChange> list;
  TextSize end;                        // Of what the last one inserted.
  std::vector<Changes::CutPair> cuts;  // Sorted.
};

void AddChange(TextChanges& changes, const TextSize& position, std::string_view deleted,
               std::string_view inserted) {
  if (!changes.list.empty() && changes.end == position) {
    changes.list.back().deleted += deleted;
    changes.list.back().inserted += inserted;
  } else {
    changes.list.push_back(
        {.position = position, .deleted = std::string(deleted), .inserted = std::string(inserted)});
    changes.end = position;
  }
  changes.end += MeasureUtf8(inserted);
}

bool IsBefore(const Changes::CutPair& a, const Changes::CutPair& b) {
  return a.first.client != b.first.client ? a.first.client < b.first.client
                                          : a.first.clock < b.first.clock;
}

// The pair whose first half was at `first`; null if none was cut there.
const Changes::CutPair* FindCut(const TextChanges& changes, const LocalId& first) {
  const auto found = std::lower_bound(changes.cuts.begin(), changes.cuts.end(),
                                      Changes::CutPair{.first = first}, IsBefore);
  return found != changes.cuts.end() && found->first == first ? &*found : nullptr;
}

// An embed, or what else is no text and takes a unit, for example a type.
void ObserveEmbed(ItemStore& store, ItemRef ref, TextChanges& changes) {
  const Item& item = store.At(ref);
  if (!item.IsCountable()) return;
  const Parts parts = PartsOf(store, item);
  const Clock deleted = parts.old_fate == Fate::kDeleted ? parts.old_length : 0;
  const Clock inserted = parts.new_fate == Fate::kAdded ? item.length - parts.old_length : 0;
  if (deleted + inserted == 0) return;
  AddChange(changes, store.index().SizeBefore(ref), {}, {});
  changes.list.back().embeds_deleted += deleted;
  changes.list.back().embeds_inserted += inserted;
  changes.end += TextSize{.bytes = 0, .utf16 = inserted, .code_points = inserted};
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD.

// An old item's text before and after the transaction. The code point of which it has half a pair
// counts as the text of the first half.
void ObserveOld(const ItemStore& store, const Item& item, const TextSize& position,
                std::string_view text, TextChanges& changes) {
  // A pair that is new was inserted as the halves it is now.
  const auto find_old = [&](Clock first) {
    return first < store.BeforeClock(item.client)
               ? FindCut(changes, {.client = item.client, .clock = first})
               : nullptr;
  };
  const bool has_second_half = item.clock > 0 && find_old(item.clock - 1) != nullptr;
  const Changes::CutPair* first_half = find_old(item.end() - 1);
  const std::string_view whole =
      first_half == nullptr ? std::string_view()
                            : std::string_view(first_half->bytes.data(), first_half->bytes.size());
  if (item.is_deleted) {
    std::string old(text);
    if (first_half != nullptr) old.replace(old.size() - kReplacement.size(), old.size(), whole);
    if (has_second_half) old.erase(0, kReplacement.size());
    AddChange(changes, position, old, {});
    return;
  }
  if (has_second_half) AddChange(changes, position, {}, kReplacement);
  if (first_half == nullptr) return;
  text.remove_suffix(kReplacement.size());
  AddChange(changes, position + MeasureUtf8(text), whole, kReplacement);
}

// Builds the delta of one list, as YEvent's and YTextEvent's do.
class DeltaBuilder {
 public:
  DeltaBuilder(ItemStore& store, BranchRef branch) : store_(store), branch_(branch) {}
  Delta Build();

 private:
  void Step(const Item& item);
  void Mark(const Item& item);
  void Piece(const Item& item, Clock begin, Clock end, Fate fate);
  void Insert(const Item& item, Clock begin, Clock end);
  void Switch(DeltaOp::Kind kind);
  void Flush();
  Attributes ToList(const AttributeMap& map, bool with_nulls) const;

  ItemStore& store_;
  BranchRef branch_;
  Delta delta_;
  DeltaOp op_;
  bool has_op_ = false;
  JsValue values_;        // Of an op of kind kValues.
  AttributeMap current_;  // In force now, where we are.
  AttributeMap old_;      // In force there before.
  AttributeMap changed_;  // What a retain sets.
};

Attributes DeltaBuilder::ToList(const AttributeMap& map, bool with_nulls) const {
  Attributes list;
  map.ForEach([&](Atom key, const std::string& json) {
    if (with_nulls || json != "null") list.emplace_back(store_.atoms().Text(key), json);
  });
  return list;
}

void DeltaBuilder::Flush() {
  if (!has_op_) return;
  has_op_ = false;
  switch (op_.kind) {
    case DeltaOp::Kind::kText:
      op_.length = Utf16Length(op_.text);
      op_.attributes = ToList(current_, false);
      break;
    case DeltaOp::Kind::kEmbed:
    case DeltaOp::Kind::kType:
      op_.attributes = ToList(current_, false);
      break;
    case DeltaOp::Kind::kValues:
      op_.text = ToJson(std::move(values_));
      values_ = {};
      break;
    case DeltaOp::Kind::kRetain:
      op_.attributes = ToList(changed_, true);
      break;
    case DeltaOp::Kind::kDelete:
      break;
  }
  delta_.push_back(std::move(op_));
  op_ = {};
}

void DeltaBuilder::Switch(DeltaOp::Kind kind) {
  if (has_op_ && op_.kind == kind) return;
  Flush();
  op_ = {};
  op_.kind = kind;
  has_op_ = true;
}

void DeltaBuilder::Insert(const Item& item, Clock begin, Clock end) {
  switch (item.kind()) {
    case ContentKind::kString: {
      const std::string_view text = CutText(store_.TextOf(item), begin).second;
      Switch(DeltaOp::Kind::kText);
      op_.text += text;
      return;
    }
    case ContentKind::kEmbed: {
      Flush();
      Switch(DeltaOp::Kind::kEmbed);
      Lib0Reader reader(store_.BytesOf(item));
      op_.text = reader.VarBytes();
      op_.length = 1;
      return Flush();
    }
    case ContentKind::kType:
      Flush();
      Switch(DeltaOp::Kind::kType);
      op_.type = store_.HandleOf(store_.TypeOf(item));
      op_.length = 1;
      return Flush();
    case ContentKind::kJson:
    case ContentKind::kAny:
    case ContentKind::kBinary:
    case ContentKind::kDoc:
      Switch(DeltaOp::Kind::kValues);
      values_.kind = JsValue::Kind::kArray;
      for (Clock i = begin; i < end; ++i) values_.items.push_back(ContentToValue(store_, item, i));
      op_.length += end - begin;
      return;
    case ContentKind::kGc:
    case ContentKind::kDeleted:
    case ContentKind::kFormat:
    case ContentKind::kSkip:
      return;
  }
}

void DeltaBuilder::Piece(const Item& item, Clock begin, Clock end, Fate fate) {
  if (begin == end || fate == Fate::kNone) return;
  if (fate == Fate::kAdded) return Insert(item, begin, end);
  Switch(fate == Fate::kKept ? DeltaOp::Kind::kRetain : DeltaOp::Kind::kDelete);
  op_.length += end - begin;
}

// A formatting mark: it is of length 1, so it is old or new as a whole.
void DeltaBuilder::Mark(const Item& item) {
  const Parts parts = PartsOf(store_, item);
  const Atom key = store_.ExtentOf(item).extra;
  const std::string value(store_.BytesOf(item));
  const auto in = [&](const AttributeMap& map) {
    const std::string* found = map.Find(key);
    return found == nullptr ? std::string("null") : *found;
  };
  const auto end_retain = [&] {
    if (has_op_ && op_.kind == DeltaOp::Kind::kRetain) Flush();
  };
  if (parts.new_fate == Fate::kAdded) {
    if (!IsSameAttribute(in(current_), value)) {
      end_retain();
      if (IsSameAttribute(value, in(old_))) {
        changed_.Erase(key);
      } else {
        changed_.Set(key, value);
      }
    }
  } else if (parts.old_fate == Fate::kDeleted) {
    old_.Set(key, value);
    if (!IsSameAttribute(in(current_), value)) {
      end_retain();
      changed_.Set(key, in(current_));
    }
  } else if (parts.old_fate == Fate::kKept) {
    old_.Set(key, value);
    const std::string* change = changed_.Find(key);
    if (change != nullptr && !IsSameAttribute(*change, value)) {
      end_retain();
      if (value == "null") {
        changed_.Erase(key);
      } else {
        changed_.Set(key, value);
      }
    }
  }
  if (item.is_deleted) return;
  if (has_op_ && op_.kind == DeltaOp::Kind::kText) Flush();
  ApplyMark(current_, key, value);
}

void DeltaBuilder::Step(const Item& item) {
  if (item.kind() == ContentKind::kFormat) return Mark(item);
  if (!item.IsCountable()) return;
  const Parts parts = PartsOf(store_, item);
  Piece(item, 0, parts.old_length, parts.old_fate);
  Piece(item, parts.old_length, item.length, parts.new_fate);
}

Delta DeltaBuilder::Build() {
  for (ItemRef ref = store_.HeadOf(branch_); ref != 0; ref = store_.At(ref).right) {
    Step(store_.At(ref));
  }
  Flush();
  while (!delta_.empty() && delta_.back().kind == DeltaOp::Kind::kRetain &&
         delta_.back().attributes.empty()) {
    delta_.pop_back();
  }
  return std::move(delta_);
}

std::optional<KeyChange> ObserveKey(const ItemStore& store, BranchRef branch, Atom key) {
  const ItemRef tail = store.SequenceAt(store.FindKey(branch, key)).tail;
  if (tail == 0) return std::nullopt;
  const auto is_deleted_now = [&](ItemRef ref) {
    return store.At(ref).is_deleted && IsDeletedNow(store, store.At(ref));
  };
  const auto old_json = [&](ItemRef ref) {
    const Item& item = store.At(ref);
    // A type that was deleted has nothing in it any more that could be shown.
    if (item.kind() == ContentKind::kType || item.kind() == ContentKind::kDeleted) {
      return std::string("null");
    }
    return ToJson(ContentToValue(store, item, item.length - 1));
  };
  KeyChange change{.key = std::string(store.atoms().Text(key)), .old_json = {}};
  ItemRef previous = tail;
  while (previous != 0 && IsAdded(store, store.At(previous))) previous = store.At(previous).left;
  const bool had_value = previous != 0 && is_deleted_now(previous);
  if (had_value) change.old_json = old_json(previous);
  if (!IsAdded(store, store.At(tail)) || store.At(tail).is_deleted) {
    if (!had_value) return std::nullopt;
    change.action = KeyChange::Action::kDelete;
  } else {
    change.action = had_value ? KeyChange::Action::kUpdate : KeyChange::Action::kAdd;
  }
  return change;
}

// Fills in the root and the way from there to the branch.
void FindPath(ItemStore& store, BranchRef branch, Event& event) {
  while (!store.BranchAt(branch).is_root) {
    const ItemRef ref = store.BranchAt(branch).item;
    const Sequence& sequence = store.SequenceAt(store.At(ref).sequence);
    if (sequence.key != 0) {
      event.path.emplace_back(std::string(store.atoms().Text(sequence.key)));
    } else if (store.MaybeBuildIndex(sequence.branch)) {
      event.path.emplace_back(store.index().UnitsBefore(ref));
    } else {
      std::uint64_t units = 0;
      for (ItemRef at = store.At(ref).left; at != 0; at = store.At(at).left) {
        units += store.VisibleUnits(at);
      }
      event.path.emplace_back(units);
    }
    branch = sequence.branch;
  }
  std::reverse(event.path.begin(), event.path.end());
  event.root = store.atoms().Text(store.BranchAt(branch).name);
}

}  // namespace

std::vector<TextChange> ObserveText(ItemStore& store, BranchRef branch, Embeds embeds) {
  TextChanges changes;
  if (branch == 0 || store.HeadOf(branch) == 0) return {};
  store.BuildIndex(branch);
  changes.cuts = store.changes().cut_pairs;
  std::sort(changes.cuts.begin(), changes.cuts.end(), IsBefore);
  for (const ItemRef ref : TouchedItems(store, branch)) {
    const Item& item = store.At(ref);
    if (item.kind() != ContentKind::kString) {
      if (embeds == Embeds::kTold) ObserveEmbed(store, ref, changes);
      continue;
    }
    const Parts parts = PartsOf(store, item);
    const auto [old_text, new_text] = CutText(store.TextOf(item), parts.old_length);
    TextSize position = store.index().SizeBefore(ref);
    if (parts.old_fate != Fate::kNone) ObserveOld(store, item, position, old_text, changes);
    if (parts.old_fate == Fate::kKept) position += MeasureUtf8(old_text);
    if (parts.new_fate == Fate::kAdded) AddChange(changes, position, {}, new_text);
  }
  return std::move(changes.list);
}

std::vector<Event> ObserveTypes(ItemStore& store) {
  std::vector<std::pair<BranchRef, Atom>> changed = store.changes().changed;
  std::stable_sort(changed.begin(), changed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Event> events;
  for (std::size_t i = 0; i < changed.size();) {
    const BranchRef branch = changed[i].first;
    const ItemRef owner = store.BranchAt(branch).item;
    const bool is_gone = owner != 0 && store.At(owner).is_deleted;
    Event event;
    event.target = store.HandleOf(branch);
    bool has_list = false;
    std::vector<Atom> keys;
    for (; i < changed.size() && changed[i].first == branch; ++i) {
      const Atom key = changed[i].second;
      has_list = has_list || key == 0;
      if (key != 0 && std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
    if (is_gone) continue;
    if (has_list) event.delta = DeltaBuilder(store, branch).Build();
    for (const Atom key : keys) {
      std::optional<KeyChange> change = ObserveKey(store, branch, key);
      if (change) event.keys.push_back(std::move(*change));
    }
    FindPath(store, branch, event);
    events.push_back(std::move(event));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.path.size() < b.path.size(); });
  return events;
}

}  // namespace coterie::crdt
