#include "crdt/restore_marks.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "base/check.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kNull = "null";
// So much that is not visible is gone over for the best place between two units.
constexpr std::uint64_t kGapClocksMax = 256;

}  // namespace

// What marks of one key there are between two units.
struct MarkRestorer::KeyInGap {
  std::vector<ItemRef> mine;     // In order.
  const Mark* theirs = nullptr;  // The last one.
  bool is_settled = false;
};

// And of all keys.
struct MarkRestorer::MarksInGap {
  const std::vector<ItemRef>& mine;
  std::span<const Mark> theirs;
  ItemRef before;  // The unit behind the gap; 0 = the end.
  bool is_touched;
};

std::string_view MarkRestorer::Attributes::At(Atom key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? kNull : std::string_view(found->second);
}

bool HasMarks(const ItemStore& store, BranchRef branch) {
  if (!store.BranchAt(branch).has_formats()) return false;
  ItemRef ref = store.HeadOf(branch);
  while (ref != 0 && (store.At(ref).is_deleted || store.At(ref).kind() != ContentKind::kFormat)) {
    ref = store.At(ref).right;
  }
  return ref != 0;
}

MarkRestorer::MarkRestorer(const Texts& texts)
    : store_(texts.store), writer_(texts.writer), branch_(texts.mine) {
  std::uint64_t position = 0;
  ItemRef ref = texts.target.HeadOf(texts.theirs);
  for (; ref != 0; ref = texts.target.At(ref).right) {
    const Item& item = texts.target.At(ref);
    position += texts.target.VisibleUnits(ref);
    if (item.is_deleted || item.kind() != ContentKind::kFormat) continue;
    const Atom key =
        store_.atoms().Intern(texts.target.atoms().Text(texts.target.ExtentOf(item).extra));
    wanted_marks_.push_back({.position = position, .key = key, .json = texts.target.BytesOf(item)});
  }
}

Atom MarkRestorer::KeyOf(ItemRef ref) const { return store_.ExtentOf(store_.At(ref)).extra; }

std::string_view MarkRestorer::ValueOf(ItemRef ref) const { return store_.BytesOf(store_.At(ref)); }

Gap MarkRestorer::GapAt(std::uint64_t position) {
  if (next_for_gaps_ > 0 && wanted_marks_[next_for_gaps_ - 1].position >= position) {
    next_for_gaps_ = 0;
    wanted_for_gaps_ = {};
  }
  std::map<Atom, std::string_view> here;  // What marks of theirs change at this place.
  for (; next_for_gaps_ < wanted_marks_.size(); ++next_for_gaps_) {
    const Mark& mark = wanted_marks_[next_for_gaps_];
    if (mark.position > position) break;
    if (mark.position == position) {
      here[mark.key] = mark.json;
    } else {
      wanted_for_gaps_.Set(mark.key, mark.json);
    }
  }
  std::set<Atom> wrong;  // Attributes that are not what is wanted, at the place in question.
  for (const auto& [key, json] : here) {
    if (wanted_for_gaps_.At(key) != json) wrong.insert(key);
    wanted_for_gaps_.Set(key, json);
  }
  // Behind what is deleted there, as texts insert without marks, or behind a mark that follows: how
  // deleted items are cut, and whether they were marks, is not the same on every node.
  Gap best = GapAfterUnit(store_, branch_, position);
  while (best.right != 0 && store_.At(best.right).is_deleted) {
    best = {.left = best.right, .right = store_.At(best.right).right};
  }
  std::size_t least = wrong.size();
  std::uint64_t clocks = 0;
  for (ItemRef ref = best.right; ref != 0 && !store_.At(ref).IsVisible();) {
    const Item& item = store_.At(ref);
    clocks += item.length;
    if (clocks > kGapClocksMax) break;
    if (!item.is_deleted && item.kind() == ContentKind::kFormat) {
      if (wanted_for_gaps_.At(KeyOf(ref)) == ValueOf(ref)) {
        wrong.erase(KeyOf(ref));
      } else {
        wrong.insert(KeyOf(ref));
      }
      if (wrong.size() <= least) {
        least = wrong.size();
        best = {.left = ref, .right = item.right};
      }
    }
    ref = item.right;
  }
  return best;
}

std::vector<ItemRef> MarkRestorer::TakeMarks(ItemRef& ref) const {
  std::vector<ItemRef> marks;
  for (; ref != 0 && !store_.At(ref).IsVisible(); ref = store_.At(ref).right) {
    const Item& item = store_.At(ref);
    if (!item.is_deleted && item.kind() == ContentKind::kFormat) marks.push_back(ref);
  }
  return marks;
}

void MarkRestorer::Restore(const std::vector<std::uint64_t>& touched) {
  std::uint64_t position = 0;
  std::size_t next = 0;  // Of wanted_marks_.
  auto touch = touched.begin();
  ItemRef ref = store_.HeadOf(branch_);
  while (true) {
    const std::vector<ItemRef> marks = TakeMarks(ref);
    const std::size_t first = next;
    while (next < wanted_marks_.size() && wanted_marks_[next].position == position) ++next;
    while (touch != touched.end() && *touch < position) ++touch;
    const std::span<const Mark> wanted(wanted_marks_);
    RestoreGap({.mine = marks,
                .theirs = wanted.subspan(first, next - first),
                .before = ref,
                .is_touched = touch != touched.end() && *touch == position});
    if (ref == 0) break;
    // Up to the end of the item, or to a mark of theirs that is within it.
    std::uint64_t end = position + store_.At(ref).length;
    if (next < wanted_marks_.size()) end = std::min(end, wanted_marks_[next].position);
    const auto length = static_cast<Clock>(end - position);
    if (length < store_.At(ref).length) store_.Split(ref, length);
    position = end;
    ref = store_.At(ref).right;
  }
  CHECK(next == wanted_marks_.size());
}

void MarkRestorer::RestoreGap(const MarksInGap& gap) {
  if (gap.mine.empty() && gap.theirs.empty()) return;
  std::map<Atom, KeyInGap> keys;
  for (const ItemRef mark : gap.mine) keys[KeyOf(mark)].mine.push_back(mark);
  for (const Mark& mark : gap.theirs) keys[mark.key].theirs = &mark;
  bool has_marks = false;
  for (auto& [key, state] : keys) has_marks = RestoreKey(gap, key, state) || has_marks;
  // In their order, because that of atoms is not the same on every node. What is not settled has
  // such a mark.
  for (const Mark& mark : gap.theirs) {
    KeyInGap& state = keys.at(mark.key);
    if (state.is_settled) continue;
    Insert(mark.key, state.theirs->json, gap.before);
    state.is_settled = true;
    has_marks = true;
  }
  // Where a mark is, a delta begins a new insertion, even if it says nothing new.
  if (!has_marks && !gap.theirs.empty() && gap.before != 0) {
    Insert(gap.theirs.back().key, gap.theirs.back().json, gap.before);
  }
}

// Takes away what marks of the key do not belong there; yields whether one stays. To the left of
// the gap the key is what it is in the target.
bool MarkRestorer::RestoreKey(const MarksInGap& gap, Atom key, KeyInGap& state) {
  // No copies: a long value may be in force while short ones come and go on the other side.
  const std::string_view held_before = held_.At(key);
  const std::string_view wanted_before = wanted_.At(key);
  const std::string_view held = state.mine.empty() ? held_before : ValueOf(state.mine.back());
  const std::string_view wanted = state.theirs == nullptr ? wanted_before : state.theirs->json;
  std::size_t kept = 0;  // From the last one on.
  if (held == wanted && state.theirs != nullptr) {
    const bool is_untouched = held_before == wanted_before && !gap.is_touched;
    kept = is_untouched ? state.mine.size() : std::min<std::size_t>(state.mine.size(), 1);
  }
  state.is_settled = wanted == wanted_before || kept > 0;
  if (!state.mine.empty()) held_.Set(key, held);
  if (state.theirs != nullptr) wanted_.Set(key, wanted);
  for (std::size_t i = 0; i + kept < state.mine.size(); ++i) Delete(store_, state.mine[i]);
  return kept > 0;
}

void MarkRestorer::Insert(Atom key, std::string_view json, ItemRef before) {
  const ItemRef left = before == 0 ? store_.TailOf(branch_) : store_.At(before).left;
  const ItemRef mark = NewBetween(store_, writer_, left, before, store_.ChildrenOf(branch_));
  store_.At(mark).length = 1;
  store_.SetFormat(store_.At(mark), key, json);
  Integrate(store_, mark);
}

}  // namespace coterie::crdt
