#include "crdt/restore.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/doc.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/keyed_values.h"
#include "crdt/list_diff.h"
#include "crdt/restore_marks.h"
#include "crdt/seek.h"
#include "crdt/text_diff.h"
#include "crdt/type_numbers.h"
#include "crdt/unit_cursor.h"

namespace coterie::crdt {
namespace {

// So many letters of the private use area stand for what is no letter when texts are compared, each
// for objects that are equal, or types that can be changed into each other; one unit each, as the
// objects. If there are more objects, or a text has such letters, what is found to be in common may
// not be: see Restorer::Compare().
constexpr std::uint32_t kStandInFirst = 0xe000;
constexpr std::size_t kStandInsMax = 6400;

bool IsText(const Branch& branch) {
  return branch.has_kind && (branch.kind == TypeKind::kText || branch.kind == TypeKind::kXmlText);
}

// Texts with a letter in place of each object.
class Flattener {
 public:
  std::string Flat(const ItemStore& store, BranchRef branch) {
    std::string text;
    for (UnitCursor units(store, branch); !units.AtEnd();) {
      if (units.kind() == ContentKind::kString) {
        text += units.Take(units.left());
      } else {
        text += StandIn(store, units);
      }
    }
    return text;
  }

 private:
  // Goes over one unit.
  std::string StandIn(const ItemStore& store, UnitCursor& units) {
    std::string object(1, static_cast<char>(units.kind()));
    if (units.kind() == ContentKind::kType) {
      const Branch& type = store.BranchAt(store.TypeOf(store.At(units.item())));
      object += static_cast<char>(type.kind);
      if (type.name != 0) object += store.atoms().Text(type.name);
    }
    object += units.Take(1);
    std::size_t number = stand_ins_.size();
    if (const auto found = stand_ins_.find(object); found != stand_ins_.end()) {
      number = found->second;
    } else if (number < kStandInsMax) {
      stand_ins_.emplace(std::move(object), number);
    }
    const std::uint32_t code = kStandInFirst + static_cast<std::uint32_t>(number % kStandInsMax);
    return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
            static_cast<char>(0x80 | (code & 0x3f))};
  }

  std::map<std::string, std::size_t> stand_ins_;
};

// At `position`, as it is after the splices before, so many units make way for as many as the
// target has there. Ascending, and none begins before the end of the one before.
struct Splice {
  std::uint64_t position = 0;
  std::uint64_t deleted = 0;
  std::uint64_t inserted = 0;
};

class Restorer {
 public:
  Restorer(Transaction& transaction, const ItemStore& target)
      : store_(transaction.store()), writer_(transaction.writer()), target_(target) {}

  void Run(BranchRef mine, BranchRef theirs) {
    TypeNumbers numbers;
    my_numbers_ = numbers.Number(store_, mine);
    their_numbers_ = numbers.Number(target_, theirs);
    pairs_.push_back({.mine = mine, .theirs = theirs});
    while (!pairs_.empty()) {  // No recursion: types nest as deep as an update says.
      const Pair next = pairs_.back();
      pairs_.pop_back();
      RestoreValues(next);
      RestoreChildren(next);
    }
  }

 private:
  // A type that shall become like another one.
  struct Pair {
    BranchRef mine;
    BranchRef theirs;
  };
  // One of a list.
  struct Element {
    std::string_view bytes;
    BranchRef type = 0;
    ContentKind kind = ContentKind::kAny;
  };

  // Whether one can be changed into the other.
  bool IsAlike(BranchRef mine, BranchRef theirs) const {
    const Branch& a = store_.BranchAt(mine);
    const Branch& b = target_.BranchAt(theirs);
    const auto name = [](const ItemStore& store, const Branch& branch) {
      return branch.name == 0 ? std::string_view() : store.atoms().Text(branch.name);
    };
    return a.kind == b.kind && name(store_, a) == name(target_, b);
  }
  bool IsSame(BranchRef mine, BranchRef theirs) const {
    const auto found = my_numbers_.find(mine);  // Not there: it is new.
    return found != my_numbers_.end() && found->second == their_numbers_.at(theirs);
  }
  void RestoreLater(BranchRef mine, BranchRef theirs) {
    if (!IsSame(mine, theirs)) pairs_.push_back({.mine = mine, .theirs = theirs});
  }

  // --- Values by key ---

  void RestoreValues(const Pair& pair) {
    const std::vector<KeyedValue> mine = KeyedValuesOf(store_, pair.mine);
    auto held = mine.begin();
    for (const KeyedValue& wanted : KeyedValuesOf(target_, pair.theirs)) {
      for (; held != mine.end() && held->key < wanted.key; ++held) Delete(store_, held->item);
      const bool is_held = held != mine.end() && held->key == wanted.key;
      if (is_held && MaybeKeep((held++)->item, wanted.item)) continue;
      const SequenceRef sequence = store_.KeyOf(pair.mine, store_.atoms().Intern(wanted.key));
      const LastUnit value = LastUnitOf(target_, target_.At(wanted.item));
      Put(sequence, {.left = store_.SequenceAt(sequence).tail, .right = 0},
          {.item = wanted.item, .units = value.units, .bytes = value.bytes});
    }
    for (; held != mine.end(); ++held) Delete(store_, held->item);
  }

  // False: the value has to be replaced.
  bool MaybeKeep(ItemRef mine, ItemRef theirs) {
    const Item& a = store_.At(mine);
    const Item& b = target_.At(theirs);
    if (a.kind() != b.kind()) return false;
    if (a.kind() != ContentKind::kType) {
      // A mark is no value; only its kind can be seen.
      return a.kind() == ContentKind::kFormat ||
             LastUnitOf(store_, a).bytes == LastUnitOf(target_, b).bytes;
    }
    if (!IsAlike(store_.TypeOf(a), target_.TypeOf(b))) return false;
    RestoreLater(store_.TypeOf(a), target_.TypeOf(b));
    return true;
  }

  // --- Children ---

  void RestoreChildren(const Pair& pair) {
    std::optional<MarkRestorer> marks;
    if (HasMarks(store_, pair.mine) || HasMarks(target_, pair.theirs)) {
      marks.emplace(MarkRestorer::Texts{.store = store_,
                                        .writer = writer_,
                                        .mine = pair.mine,
                                        .target = target_,
                                        .theirs = pair.theirs});
    }
    const bool is_text = marks || IsText(store_.BranchAt(pair.mine)) ||
                         HasLetters(store_, pair.mine) || HasLetters(target_, pair.theirs);
    const auto gap_at = [&](std::uint64_t position) {
      if (marks) return marks->GapAt(position);
      return is_text ? GapBeforeUnit(store_, pair.mine, position)
                     : GapAfterUnit(store_, pair.mine, position);
    };
    const std::vector<Splice> splices = is_text ? DiffFlat(pair) : DiffLists(pair);
    Perform(splices, pair, gap_at);
    const std::vector<Splice> more = Compare(pair);
    Perform(more, pair, gap_at);
    if (marks) marks->Restore(PlacesOf(splices, more));
  }

  static bool HasLetters(const ItemStore& store, BranchRef branch) {
    ItemRef ref = store.HeadOf(branch);
    while (ref != 0 && (store.At(ref).is_deleted || store.At(ref).kind() != ContentKind::kString)) {
      ref = store.At(ref).right;
    }
    return ref != 0;
  }

  std::vector<Splice> DiffFlat(const Pair& pair) const {
    Flattener flattener;
    const std::string mine = flattener.Flat(store_, pair.mine);
    const std::string theirs = flattener.Flat(target_, pair.theirs);
    std::vector<Splice> splices;
    for (const TextChange& change : DiffTexts(mine, theirs)) {
      splices.push_back({.position = change.position.utf16,
                         .deleted = Utf16Length(change.deleted),
                         .inserted = Utf16Length(change.inserted)});
    }
    return splices;
  }

  static std::vector<Element> ElementsOf(const ItemStore& store, BranchRef branch) {
    std::vector<Element> elements;
    elements.reserve(store.BranchAt(branch).length);
    for (UnitCursor units(store, branch); !units.AtEnd();) {
      Element element{.bytes = {}, .type = 0, .kind = units.kind()};
      if (element.kind == ContentKind::kType) {
        element.type = store.TypeOf(store.At(units.item()));
      }
      element.bytes = units.Take(1);
      elements.push_back(element);
    }
    return elements;
  }

  // By number: what is equal has the same one. First those of mine, then those of theirs.
  std::vector<std::uint32_t> Ranks(const std::vector<Element>& mine,
                                   const std::vector<Element>& theirs) const {
    const auto key = [&](std::uint32_t place) {
      const bool is_mine = place < mine.size();
      const Element& element = is_mine ? mine[place] : theirs[place - mine.size()];
      const TypeNumbers::Numbers& numbers = is_mine ? my_numbers_ : their_numbers_;
      return std::tuple(element.kind, element.type == 0 ? 0 : numbers.at(element.type),
                        element.bytes);
    };
    std::vector<std::uint32_t> places(mine.size() + theirs.size());
    std::iota(places.begin(), places.end(), 0u);
    std::sort(places.begin(), places.end(),
              [&key](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
    std::vector<std::uint32_t> ranks(places.size());
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (i > 0 && key(places[i - 1]) != key(places[i])) ++rank;
      ranks[places[i]] = rank;
    }
    return ranks;
  }

  std::vector<Splice> DiffLists(const Pair& pair) const {
    const std::uint64_t my_length = store_.BranchAt(pair.mine).length;
    const std::uint64_t their_length = target_.BranchAt(pair.theirs).length;
    if (std::max(my_length, their_length) > kComparedListMax) return DiffBeginnings(pair);
    const std::vector<Element> mine = ElementsOf(store_, pair.mine);
    const std::vector<Element> theirs = ElementsOf(target_, pair.theirs);
    const std::vector<std::uint32_t> ranks = Ranks(mine, theirs);
    const auto middle = ranks.begin() + static_cast<std::ptrdiff_t>(mine.size());
    std::vector<ListMatch> kept = MatchLists({ranks.begin(), middle}, {middle, ranks.end()});
    kept.push_back({.source = mine.size(), .target = theirs.size()});
    std::vector<Splice> splices;
    // Those in pairs that are alike are changed, the rest replaced.
    const auto is_kept = [&](std::size_t source, std::size_t target) {
      const BranchRef type = mine[source].type;
      if (type == 0 || theirs[target].type == 0) {
        return ranks[source] == ranks[mine.size() + target];
      }
      return IsAlike(type, theirs[target].type);
    };
    ListMatch at;
    for (ListMatch end : kept) {
      const ListMatch next{.source = end.source + 1, .target = end.target + 1};
      while (at.source < end.source && at.target < end.target && is_kept(at.source, at.target)) {
        ++at.source;
        ++at.target;
      }
      while (at.source < end.source && at.target < end.target &&
             is_kept(end.source - 1, end.target - 1)) {
        --end.source;
        --end.target;
      }
      if (at.source < end.source || at.target < end.target) {
        splices.push_back({.position = at.target,
                           .deleted = end.source - at.source,
                           .inserted = end.target - at.target});
      }
      at = next;
    }
    return splices;
  }

  std::vector<Splice> DiffBeginnings(const Pair& pair) const {
    UnitCursor mine(store_, pair.mine);
    UnitCursor theirs(target_, pair.theirs);
    std::uint64_t common = 0;
    while (!mine.AtEnd() && !theirs.AtEnd() && IsKept(mine, theirs)) {
      mine.Take(1);
      theirs.Take(1);
      ++common;
    }
    return {{.position = common,
             .deleted = store_.BranchAt(pair.mine).length - common,
             .inserted = target_.BranchAt(pair.theirs).length - common}};
  }

  // Whether what is ahead is no letter and equal, or a type that can be changed into the other. The
  // cursors stay.
  bool IsKept(UnitCursor mine, UnitCursor theirs) const {
    if (mine.kind() != theirs.kind()) return false;
    if (mine.kind() != ContentKind::kType) return mine.Take(1) == theirs.Take(1);
    return IsAlike(store_.TypeOf(store_.At(mine.item())),
                   target_.TypeOf(target_.At(theirs.item())));
  }

  bool IsMade(ItemRef mine) const {
    const Item& item = store_.At(mine);
    return item.client == writer_ && item.clock >= store_.BeforeClock(writer_);
  }

  // When both have as many units: what differs nevertheless, because it was taken for the same when
  // texts were compared. Of types that are alike the contents come later.
  std::vector<Splice> Compare(const Pair& pair) {
    std::vector<Splice> splices;
    UnitCursor mine(store_, pair.mine);
    UnitCursor theirs(target_, pair.theirs);
    while (!mine.AtEnd()) {
      CHECK(!theirs.AtEnd());
      if (mine.kind() == ContentKind::kString && theirs.kind() == ContentKind::kString) {
        const std::uint64_t units = std::min(mine.left(), theirs.left());
        CHECK(mine.Take(units) == theirs.Take(units));
        continue;
      }
      if (!IsKept(mine, theirs)) {
        splices.push_back({.position = mine.position(), .deleted = 1, .inserted = 1});
      } else if (mine.kind() == ContentKind::kType && !IsMade(mine.item())) {
        RestoreLater(store_.TypeOf(store_.At(mine.item())),
                     target_.TypeOf(target_.At(theirs.item())));
      }
      mine.Take(1);
      theirs.Take(1);
    }
    CHECK(theirs.AtEnd());
    return splices;
  }

  // Where something was deleted or inserted, as Restore() of marks wants it.
  static std::vector<std::uint64_t> PlacesOf(const std::vector<Splice>& splices,
                                             const std::vector<Splice>& more) {
    std::vector<std::uint64_t> places;
    for (const std::vector<Splice>* list : {&splices, &more}) {
      for (const Splice& splice : *list) {
        places.push_back(splice.position);
        places.push_back(splice.position + splice.inserted);
      }
    }
    std::sort(places.begin(), places.end());
    return places;
  }

  template <class GapAt>
  void Perform(const std::vector<Splice>& splices, const Pair& pair, const GapAt& gap_at) {
    UnitCursor theirs(target_, pair.theirs);
    for (const Splice& splice : splices) {
      DeleteUnits(store_, pair.mine, splice.position, splice.deleted);
      theirs.Skip(splice.position - theirs.position());
      if (splice.inserted > 0) Insert(pair, theirs, splice.inserted, gap_at(splice.position));
    }
  }

  // Copies the next `units` of `theirs`. Letters become one item, and so do values, however they
  // are cut into items there.
  void Insert(const Pair& pair, UnitCursor& theirs, std::uint64_t units, Gap gap) {
    const SequenceRef children = store_.ChildrenOf(pair.mine);
    const std::uint64_t end = theirs.position() + units;
    std::string bytes;
    while (theirs.position() < end) {
      const ContentKind kind = theirs.kind();
      const ItemRef item = theirs.item();
      const bool is_row =
          kind == ContentKind::kString || kind == ContentKind::kAny || kind == ContentKind::kJson;
      const std::uint64_t begin = theirs.position();
      bytes.clear();
      do {
        bytes += theirs.Take(std::min(theirs.left(), end - theirs.position()));
      } while (is_row && theirs.position() < end && theirs.kind() == kind);
      gap.left = Put(
          children, gap,
          {.item = item, .units = static_cast<Clock>(theirs.position() - begin), .bytes = bytes});
    }
  }

  // --- Items ---

  // So many units of one of the target's items, and their content as UnitCursor has it.
  struct Piece {
    ItemRef item;
    Clock units;
    std::string_view bytes;
  };

  // A new item with that; the content of a type comes later.
  ItemRef Put(SequenceRef sequence, Gap gap, const Piece& piece) {
    CHECK(std::uint64_t{store_.ClientAt(writer_).end} + piece.units <= kClockMax);
    const Item& from = target_.At(piece.item);
    const ItemRef ref = NewBetween(store_, writer_, gap.left, gap.right, sequence);
    store_.At(ref).length = piece.units;
    switch (from.kind()) {
      case ContentKind::kString:
        store_.SetText(store_.At(ref), piece.bytes);
        break;
      case ContentKind::kFormat: {  // As the value of a key, which reads as undefined.
        const std::string_view key = target_.atoms().Text(target_.ExtentOf(from).extra);
        store_.SetFormat(store_.At(ref), store_.atoms().Intern(key), piece.bytes);
        break;
      }
      case ContentKind::kType: {
        const BranchRef theirs = target_.TypeOf(from);
        const Branch& type = target_.BranchAt(theirs);
        store_.SetType(ref, type.kind,
                       type.name == 0 ? std::string_view() : target_.atoms().Text(type.name));
        pairs_.push_back({.mine = store_.TypeOf(store_.At(ref)), .theirs = theirs});
        break;
      }
      case ContentKind::kJson:
      case ContentKind::kBinary:
      case ContentKind::kEmbed:
      case ContentKind::kAny:
      case ContentKind::kDoc:
        store_.SetPayload(store_.At(ref), from.kind(), piece.bytes);
        break;
      case ContentKind::kGc:
      case ContentKind::kDeleted:
      case ContentKind::kSkip:
        CHECK(false);  // Never visible.
    }
    Integrate(store_, ref);
    return ref;
  }

  ItemStore& store_;
  ClientIndex writer_;
  const ItemStore& target_;
  TypeNumbers::Numbers my_numbers_;
  TypeNumbers::Numbers their_numbers_;
  std::vector<Pair> pairs_;
};

}  // namespace

void RestoreRoot(Transaction& transaction, Doc& doc, Doc& target, const std::string& name) {
  CHECK(&transaction.doc() == &doc && &doc != &target);
  const TypeHandle mine = doc.Root(name);
  const TypeHandle theirs = target.Root(name);
  Restorer(transaction, target.store()).Run(mine.branch, theirs.branch);
}

}  // namespace coterie::crdt
