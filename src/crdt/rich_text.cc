#include "crdt/rich_text.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/js_value.h"
#include "crdt/seek.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kNull = "null";

bool IsStructured(std::string_view json) {
  return !json.empty() && (json[0] == '{' || json[0] == '[');
}

// To Yjs a member of an object that is an object itself is the same only if it is the same one in
// memory, which two values that were read from bytes never are.
bool IsSameMember(const JsValue& a, const JsValue& b) {
  const bool is_nested = a.kind == JsValue::Kind::kObject || a.kind == JsValue::Kind::kArray;
  return !is_nested && a.kind == b.kind && a.number == b.number && a.text == b.text;
}

}  // namespace

bool IsSameAttribute(std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (!IsStructured(a) || !IsStructured(b)) return false;
  const JsValue one = ParseJson(a);
  const JsValue two = ParseJson(b);
  if (one.kind != two.kind) return false;
  return one.members.size() == two.members.size() && one.items.empty() && two.items.empty() &&
         std::all_of(one.members.begin(), one.members.end(), [&](const auto& member) {
           const JsValue* other = two.Find(member.first);
           return other != nullptr && IsSameMember(member.second, *other);
         });
}

void ApplyMark(AttributeMap& attributes, Atom key, std::string_view json) {
  if (json == kNull) {
    attributes.Erase(key);
  } else {
    attributes.Set(key, std::string(json));
  }
}

RichText::RichText(ItemStore& store, ClientIndex writer, BranchRef branch)
    : store_(store), writer_(writer), branch_(branch), is_indexed_(store.MaybeBuildIndex(branch)) {
  right_ = store_.HeadOf(branch_);
}

bool RichText::IsMark(ItemRef ref) const { return store_.At(ref).kind() == ContentKind::kFormat; }

Atom RichText::KeyOf(ItemRef ref) const { return store_.ExtentOf(store_.At(ref)).extra; }

std::string_view RichText::ValueOf(ItemRef ref) const { return store_.BytesOf(store_.At(ref)); }

AttributeMap RichText::ToMap(const Attributes& attributes) const {
  AttributeMap map;
  for (const auto& [key, json] : attributes) map.Set(store_.atoms().Intern(key), json);
  return map;
}

void RichText::MoveTo(std::uint64_t index) {
  index_ = std::min(index, store_.BranchAt(branch_).length);
  const Gap gap = GapAfterUnit(store_, branch_, index_);
  left_ = gap.left;
  right_ = gap.right;
  anchor_ = left_;
  is_current_known_ = false;
}

const AttributeMap& RichText::Current() {
  if (!is_current_known_) current_ = AttributesAfter(anchor_);
  is_current_known_ = true;
  return current_;
}

void RichText::SetCurrent(Atom key, std::string_view json) {
  NoteOld(key);
  current_.Set(key, std::string(json));
}

void RichText::ApplyCurrent(Atom key, std::string_view json) {
  NoteOld(key);
  ApplyMark(current_, key, json);
}

void RichText::NoteOld(Atom key) {
  const std::string* old = Current().Find(key);
  if (before_ && before_->Find(key) == nullptr)
    before_->Set(key, old == nullptr ? std::string(kNull) : *old);
}

// What the marks up to `left`, a visible item, say.
AttributeMap RichText::AttributesAfter(ItemRef left) const {
  AttributeMap map;
  if (left == 0 || !store_.BranchAt(branch_).has_formats()) return map;
  if (!is_indexed_) {
    for (ItemRef ref = store_.HeadOf(branch_); ref != left; ref = store_.At(ref).right) {
      if (IsMark(ref) && !store_.At(ref).is_deleted) ApplyMark(map, KeyOf(ref), ValueOf(ref));
    }
    return map;
  }
  std::vector<OrderIndex::Mark> marks = store_.index().MarksBefore(left);
  store_.CountScanned(marks.size());
  std::erase_if(marks, [](const OrderIndex::Mark& mark) { return mark.start == 0; });
  std::sort(marks.begin(), marks.end(), [this](const auto& a, const auto& b) {
    return a.start != b.start && store_.index().IsBefore(a.start, b.start);
  });
  for (const OrderIndex::Mark& mark : marks) map.Set(mark.key, std::string(ValueOf(mark.last)));
  return map;
}

// The first item from `ref` on that is not deleted; 0 if there is none.
ItemRef RichText::NextLiveFrom(ItemRef ref) const {
  while (ref != 0 && store_.At(ref).is_deleted) {
    ref = is_indexed_ ? store_.index().NextLive(ref) : store_.At(ref).right;
  }
  return ref;
}

// Over the item to the right, and if that is deleted over all that are.
void RichText::Forward() {
  CHECK(right_ != 0);
  if (store_.At(right_).is_deleted) {
    right_ = NextLiveFrom(right_);
    left_ = right_ != 0 ? store_.At(right_).left : store_.TailOf(branch_);
    return;
  }
  if (IsMark(right_)) {
    ApplyCurrent(KeyOf(right_), ValueOf(right_));
  } else {
    index_ += store_.At(right_).length;
  }
  left_ = right_;
  right_ = store_.At(right_).right;
}

// Over what is deleted and over marks that say what `attributes` say.
void RichText::SkipSame(const AttributeMap& attributes) {
  while (right_ != 0) {
    if (!store_.At(right_).is_deleted) {
      if (!IsMark(right_)) return;
      const std::string* wanted = attributes.Find(KeyOf(right_));
      if (!IsSameAttribute(wanted == nullptr ? kNull : *wanted, ValueOf(right_))) return;
    }
    Forward();
  }
}

void RichText::InsertMark(Atom key, std::string_view json) {
  const ItemRef item = NewBetween(store_, writer_, left_, right_, store_.ChildrenOf(branch_));
  store_.At(item).length = 1;
  store_.SetFormat(store_.At(item), key, json);
  Integrate(store_, item);
  right_ = item;
  Forward();
}

// Sets what is not in force already; yields what has to be set behind it to undo that.
AttributeMap RichText::InsertMarks(const AttributeMap& attributes) {
  AttributeMap negated;
  attributes.ForEach([&](Atom key, const std::string& json) {
    const std::string* current = Current().Find(key);
    const std::string before(current == nullptr ? kNull : *current);
    if (IsSameAttribute(before, json)) return;
    negated.Set(key, before);
    InsertMark(key, json);
  });
  return negated;
}

void RichText::InsertNegated(AttributeMap negated) {
  while (right_ != 0) {
    if (!store_.At(right_).is_deleted) {
      if (!IsMark(right_)) break;
      const std::string* value = negated.Find(KeyOf(right_));
      if (value == nullptr || !IsSameAttribute(*value, ValueOf(right_))) break;
      negated.Erase(KeyOf(right_));
    }
    Forward();
  }
  negated.ForEach([this](Atom key, const std::string& json) { InsertMark(key, json); });
}

ItemRef RichText::InsertContent(const Insertion& insertion) {
  const ItemRef ref = NewBetween(store_, writer_, left_, right_, store_.ChildrenOf(branch_));
  Item& item = store_.At(ref);
  item.length = 1;
  if (insertion.kind == ContentKind::kString) {
    item.length = static_cast<Clock>(Utf16Length(insertion.text));
    store_.SetText(item, insertion.text);
  } else if (insertion.kind == ContentKind::kEmbed) {
    Lib0Writer payload;
    payload.VarBytes(insertion.text);
    store_.SetPayload(item, ContentKind::kEmbed, payload.view());
  } else {
    store_.SetType(ref, insertion.type->kind, insertion.type->name);
  }
  Integrate(store_, ref);
  right_ = ref;
  Forward();
  return ref;
}

ItemRef RichText::Insert(const Insertion& insertion, const Attributes& attributes) {
  AttributeMap wanted = ToMap(attributes);
  // What is in force and not wanted is turned off.
  Current().ForEach([&wanted](Atom key, const std::string&) {
    if (wanted.Find(key) == nullptr) wanted.Set(key, std::string(kNull));
  });
  SkipSame(wanted);
  AttributeMap negated = InsertMarks(wanted);
  const ItemRef item = InsertContent(insertion);
  InsertNegated(std::move(negated));
  return item;
}

ItemRef RichText::InsertLikeLeft(const Insertion& insertion) {
  // What is in force is what is wanted: no mark has to be set.
  while (right_ != 0) {
    if (!store_.At(right_).is_deleted) {
      if (!IsMark(right_)) break;
      const std::string* value = Current().Find(KeyOf(right_));
      if (!IsSameAttribute(value == nullptr ? kNull : *value, ValueOf(right_))) break;
    }
    Forward();
  }
  return InsertContent(insertion);
}

// What a mark within what is being formatted means for it. False: formatting ends in front of it.
bool RichText::FormatMark(const AttributeMap& attributes, AttributeMap& negated,
                          std::uint64_t length) {
  const Atom key = KeyOf(right_);
  const std::string value(ValueOf(right_));
  const std::string* wanted = attributes.Find(key);
  if (wanted == nullptr) {
    SetCurrent(key, value);
    return true;
  }
  if (IsSameAttribute(*wanted, value)) {
    negated.Erase(key);
  } else {
    if (length == 0) return false;
    negated.Set(key, value);
  }
  crdt::Delete(store_, right_);
  return true;
}

void RichText::Format(std::uint64_t length, const Attributes& attributes) {
  const AttributeMap wanted = ToMap(attributes);
  SkipSame(wanted);
  AttributeMap negated = InsertMarks(wanted);
  while (right_ != 0 && (length > 0 || !negated.empty())) {
    const Item& item = store_.At(right_);
    const bool is_content = !item.is_deleted && !IsMark(right_);
    if (is_content) {
      if (length == 0) break;
      if (length < item.length) store_.Split(right_, static_cast<Clock>(length));
      length -= item.length;
    } else if (!item.is_deleted && !FormatMark(wanted, negated, length)) {
      break;
    }
    Forward();
  }
  if (length > 0) {
    const std::string line_feeds(length, '\n');
    InsertContent({.kind = ContentKind::kString, .text = line_feeds});
  }
  InsertNegated(std::move(negated));
}

void RichText::Retain(std::uint64_t length) {
  const std::uint64_t end = store_.BranchAt(branch_).length;
  const std::uint64_t missing = index_ + length > end ? index_ + length - end : 0;
  MoveTo(index_ + length);
  if (missing == 0) return;
  while (right_ != 0) Forward();
  const std::string line_feeds(missing, '\n');
  InsertContent({.kind = ContentKind::kString, .text = line_feeds});
}

void RichText::Delete(std::uint64_t length) {
  before_.emplace();
  const ItemRef start = right_;
  while (length > 0 && right_ != 0) {
    const Item& item = store_.At(right_);
    const bool is_text = item.kind() == ContentKind::kString ||
                         item.kind() == ContentKind::kEmbed || item.kind() == ContentKind::kType;
    if (!item.is_deleted && is_text) {
      if (length < item.length) store_.Split(right_, static_cast<Clock>(length));
      length -= item.length;
      const ItemRef next = item.right;
      crdt::Delete(store_, right_);
      left_ = right_;
      right_ = next;
    } else {
      Forward();
    }
  }
  if (start != 0) CleanGap(start);
  before_.reset();
}

// The first visible item from `start` on; and of the marks up to there the last one of each key.
ItemRef RichText::FindContent(ItemRef start, AtomMap<ItemRef>& last_marks) const {
  ItemRef end = NextLiveFrom(start);
  while (end != 0 && IsMark(end)) {
    last_marks.Set(KeyOf(end), end);
    end = NextLiveFrom(store_.At(end).right);
  }
  return end;
}

// Deletes the marks between `start` and the next visible item that say nothing: those that a later
// one there overrides, and those that say what was in force at `start` anyway.
void RichText::CleanGap(ItemRef start) {
  AtomMap<ItemRef> last;
  const ItemRef end = FindContent(start, last);
  bool reached = false;  // `right_`, up to which current_ has to be kept right.
  for (ItemRef ref = start; ref != end;) {
    reached = reached || ref == right_ ||
              (is_indexed_ && right_ != 0 && store_.index().IsBefore(right_, ref));
    if (!store_.At(ref).is_deleted && IsMark(ref)) {
      const Atom key = KeyOf(ref);
      const std::string value(ValueOf(ref));
      const std::string* current = Current().Find(key);
      const bool is_current = (current == nullptr ? kNull : *current) == value;
      const std::string* changed = before_->Find(key);
      if (changed == nullptr) changed = current;
      const std::string at_start(changed == nullptr ? kNull : *changed);
      if (*last.Find(key) != ref || at_start == value) {
        crdt::Delete(store_, ref);
        if (!reached && is_current && at_start != value) ApplyCurrent(key, at_start);
      } else if (!reached) {
        ApplyCurrent(key, value);
      }
    }
    ref = store_.At(ref).right;
    if (is_indexed_) ref = NextLiveFrom(ref);
  }
}

}  // namespace coterie::crdt
