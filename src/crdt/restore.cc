#include "crdt/restore.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/utf8.h"
#include "crdt/array.h"
#include "crdt/item_store.h"
#include "crdt/js_value.h"
#include "crdt/json.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/text_diff.h"
#include "crdt/xml.h"

namespace coterie::crdt {
namespace {

// Stands for an embed or a type when texts are compared: OBJECT REPLACEMENT CHARACTER, one unit.
constexpr std::string_view kObject = "\xef\xbf\xbc";

bool IsText(TypeKind kind) { return kind == TypeKind::kText || kind == TypeKind::kXmlText; }
bool IsMap(TypeKind kind) { return kind == TypeKind::kMap; }

// A root has no kind of its own: letters make it a text.
TypeKind KindOfRoot(Doc& doc, TypeHandle root) {
  return Text(doc, root).size().bytes > 0 ? TypeKind::kText : TypeKind::kXmlFragment;
}

std::string Flat(const Delta& delta) {
  std::string text;
  for (const DeltaOp& op : delta) {
    op.kind == DeltaOp::Kind::kText ? text.append(op.text) : text.append(kObject);
  }
  return text;
}

std::uint64_t UnitsOf(const DeltaOp& op) {
  return op.kind == DeltaOp::Kind::kText ? Utf16Length(op.text) : 1;
}

// What to set so that `mine` becomes `theirs`.
Attributes Difference(const Attributes& mine, const Attributes& theirs) {
  const auto find = [](const Attributes& attributes, const std::string& key) {
    return std::find_if(attributes.begin(), attributes.end(),
                        [&key](const auto& attribute) { return attribute.first == key; });
  };
  Attributes difference;
  for (const auto& [key, value] : theirs) {
    const auto found = find(mine, key);
    if (found == mine.end() || found->second != value) difference.emplace_back(key, value);
  }
  for (const auto& [key, value] : mine) {
    if (find(theirs, key) == theirs.end()) difference.emplace_back(key, "null");
  }
  return difference;
}

class Restorer {
 public:
  Restorer(Transaction& transaction, Doc& doc, Doc& target)
      : transaction_(transaction), doc_(doc), target_(target) {}

  void Run(TypeHandle mine, TypeHandle theirs, TypeKind kind) {
    Restore(mine, theirs, kind);
    while (!pairs_.empty()) {
      const Pair next = pairs_.back();
      pairs_.pop_back();
      RestoreOne(next);
    }
  }

 private:
  // A type that shall become like another one.
  struct Pair {
    TypeHandle mine;
    TypeHandle theirs;
    TypeKind kind;
  };
  // One element of a list, or value of a map.
  struct Element {
    std::optional<TypeHandle> type;
    std::string shape;  // Of a type: which others can be changed into it.
    std::string json;   // Of anything else: what it is.
  };

  // Soon. No recursion: types nest as deep as an update says.
  void Restore(TypeHandle mine, TypeHandle theirs, TypeKind kind) {
    if (!paired_.insert(mine.branch).second) return;
    pairs_.push_back({.mine = mine, .theirs = theirs, .kind = kind});
  }

  void RestoreOne(const Pair& pair) {
    if (doc_.store().Resolve(pair.mine) == 0) return;  // It was replaced meanwhile.
    RestoreKeys(pair.mine, pair.theirs);
    if (IsText(pair.kind)) {
      RestoreText(pair.mine, pair.theirs);
    } else if (!IsMap(pair.kind)) {
      RestoreList(pair.mine, pair.theirs);
    }
  }

  static std::string ShapeOf(const Doc& doc, TypeHandle type) {
    return std::to_string(static_cast<int>(*KindOf(doc, type))) + NodeName(doc, type);
  }

  static std::string JsonOf(Doc& doc, TypeHandle type) {
    const TypeKind kind = *KindOf(doc, type);
    if (IsMap(kind)) return Map(doc, type).ToJson();
    if (kind == TypeKind::kArray) return Array(doc, type).ToJson();
    return ToXml(doc, type);
  }

  static Element ElementOf(Doc& doc, std::optional<TypeHandle> type,
                           const std::optional<std::string>& json) {
    if (!type) return {.json = json.value_or("null")};
    return {.type = type, .shape = ShapeOf(doc, *type), .json = {}};
  }

  static std::vector<Element> ElementsOf(Doc& doc, TypeHandle list) {
    const Array array(doc, list);
    std::vector<Element> elements;
    for (std::uint64_t i = 0; i < array.length(); ++i) {
      const std::optional<TypeHandle> type = array.GetType(i);
      elements.push_back(ElementOf(doc, type, type ? std::nullopt : array.GetJson(i)));
    }
    return elements;
  }

  bool IsSame(const Element& mine, const Element& theirs) const {
    if (mine.shape != theirs.shape || mine.json != theirs.json) return false;
    return !mine.type || JsonOf(doc_, *mine.type) == JsonOf(target_, *theirs.type);
  }
  static bool IsAlike(const Element& a, const Element& b) {
    return a.type && b.type && a.shape == b.shape;
  }

  NewContent ContentOf(const Element& theirs) const {
    if (theirs.type) {
      return NewType{.kind = *KindOf(target_, *theirs.type),
                     .name = NodeName(target_, *theirs.type)};
    }
    Lib0Writer writer;
    WriteAny(ParseJson(theirs.json), writer);
    return NewAny{.any = writer.Take()};
  }

  void RestoreKeys(TypeHandle mine_type, TypeHandle theirs_type) {
    Map mine(doc_, mine_type);
    const Map theirs(target_, theirs_type);
    for (const std::string& key : mine.keys()) {
      if (!theirs.Has(key)) mine.Delete(transaction_, key);
    }
    for (const std::string& key : theirs.keys()) {
      const Element wanted = ElementOf(target_, theirs.GetType(key), theirs.GetJson(key));
      const Element held =
          mine.Has(key) ? ElementOf(doc_, mine.GetType(key), mine.GetJson(key)) : Element{};
      if (mine.Has(key) && IsSame(held, wanted)) continue;
      if (IsAlike(held, wanted)) {
        Restore(*held.type, *wanted.type, *KindOf(target_, *wanted.type));
        continue;
      }
      const TypeHandle made = mine.Set(transaction_, key, ContentOf(wanted));
      if (wanted.type) Restore(made, *wanted.type, *KindOf(target_, *wanted.type));
    }
  }

  void RestoreList(TypeHandle mine_type, TypeHandle theirs_type) {
    const std::vector<Element> mine = ElementsOf(doc_, mine_type);
    const std::vector<Element> theirs = ElementsOf(target_, theirs_type);
    const std::size_t shorter = std::min(mine.size(), theirs.size());
    std::size_t prefix = 0;
    while (prefix < shorter && IsSame(mine[prefix], theirs[prefix])) ++prefix;
    std::size_t suffix = 0;
    while (suffix < shorter - prefix &&
           IsSame(mine[mine.size() - 1 - suffix], theirs[theirs.size() - 1 - suffix])) {
      ++suffix;
    }
    const std::size_t mine_end = mine.size() - suffix;
    const std::size_t theirs_end = theirs.size() - suffix;
    std::size_t at = prefix;  // Those in pairs of the same shape are changed, the rest replaced.
    for (; at < mine_end && at < theirs_end && IsAlike(mine[at], theirs[at]); ++at) {
      Restore(*mine[at].type, *theirs[at].type, *KindOf(target_, *theirs[at].type));
    }
    Array array(doc_, mine_type);
    if (at < mine_end) array.Delete(transaction_, at, mine_end - at);
    for (; at < theirs_end; ++at) {
      const std::vector<TypeHandle> made = array.Insert(transaction_, at, {ContentOf(theirs[at])});
      if (theirs[at].type) {
        Restore(made.front(), *theirs[at].type, *KindOf(target_, *theirs[at].type));
      }
    }
  }

  void RestoreText(TypeHandle mine_type, TypeHandle theirs_type) {
    Text mine(doc_, mine_type);
    const Delta theirs = Text(target_, theirs_type).ToDelta();
    for (const TextChange& change : DiffTexts(Flat(mine.ToDelta()), Flat(theirs))) {
      mine.Delete(transaction_, change.position.utf16, Utf16Length(change.deleted));
      // The changes so far have made everything up to here what it is in the target.
      InsertFrom(theirs, change.position.utf16, Utf16Length(change.inserted), mine);
    }
    RestoreAttributes(mine, theirs);
  }

  // Copies the units [begin, begin + length) of `theirs` to the same place of `mine`.
  void InsertFrom(const Delta& theirs, std::uint64_t begin, std::uint64_t length, Text& mine) {
    std::uint64_t at = 0;
    const std::uint64_t end = begin + length;
    for (const DeltaOp& op : theirs) {
      const std::uint64_t first = std::max(at, begin);
      const std::uint64_t last = std::min(at + UnitsOf(op), end);
      if (first < last) InsertPart(op, first - at, last - at, first, mine);
      at += UnitsOf(op);
    }
  }

  // Inserts the units [from, to) of an op at `index`.
  void InsertPart(const DeltaOp& op, std::uint64_t from, std::uint64_t to, std::uint64_t index,
                  Text& mine) {
    if (op.kind == DeltaOp::Kind::kText) {
      mine.Insert(transaction_, index, Part(op.text, from, to), op.attributes);
    } else if (op.kind == DeltaOp::Kind::kEmbed) {
      mine.InsertEmbed(transaction_, index, op.text, op.attributes);
    } else {
      const TypeKind kind = *KindOf(target_, op.type);
      const NewType content{.kind = kind, .name = NodeName(target_, op.type)};
      Restore(mine.InsertType(transaction_, index, content, op.attributes), op.type, kind);
    }
  }

  // The UTF-16 units [from, to) of a text; both at boundaries of code points.
  static std::string_view Part(std::string_view text, std::uint64_t from, std::uint64_t to) {
    const auto bytes_of = [text](std::uint64_t units) {
      std::size_t bytes = 0;
      while (units > 0 && bytes < text.size()) {
        const std::size_t size = CodePointLength(text.substr(bytes));
        units -= std::min<std::uint64_t>(units, size == 4 ? 2 : 1);
        bytes += size;
      }
      return bytes;
    };
    const std::size_t begin = bytes_of(from);
    return text.substr(begin, bytes_of(to) - begin);
  }

  // Both have the same letters by now, and objects at the same places.
  void RestoreAttributes(Text& mine, const Delta& theirs) {
    const Delta before = mine.ToDelta();
    std::size_t i = 0;
    std::size_t k = 0;
    std::uint64_t i_used = 0;  // Units of before[i] and theirs[k] that are behind us.
    std::uint64_t k_used = 0;
    for (std::uint64_t at = 0; i < before.size() && k < theirs.size();) {
      const std::uint64_t units =
          std::min(UnitsOf(before[i]) - i_used, UnitsOf(theirs[k]) - k_used);
      RestoreObject(before[i], theirs[k], at, mine);
      const Attributes difference = Difference(before[i].attributes, theirs[k].attributes);
      if (!difference.empty()) mine.Format(transaction_, at, units, difference);
      at += units;
      i_used += units;
      k_used += units;
      if (i_used == UnitsOf(before[i])) ++i, i_used = 0;
      if (k_used == UnitsOf(theirs[k])) ++k, k_used = 0;
    }
  }

  void RestoreObject(const DeltaOp& held, const DeltaOp& wanted, std::uint64_t at, Text& mine) {
    if (wanted.kind == DeltaOp::Kind::kText) return;
    if (held.kind == DeltaOp::Kind::kType && wanted.kind == DeltaOp::Kind::kType &&
        ShapeOf(doc_, held.type) == ShapeOf(target_, wanted.type)) {
      return Restore(held.type, wanted.type, *KindOf(target_, wanted.type));
    }
    const bool is_same =
        held.kind == wanted.kind && held.kind == DeltaOp::Kind::kEmbed && held.text == wanted.text;
    if (is_same) return;
    mine.Delete(transaction_, at, 1);
    InsertPart(wanted, 0, 1, at, mine);
  }

  Transaction& transaction_;
  Doc& doc_;
  Doc& target_;
  std::vector<Pair> pairs_;
  std::unordered_set<BranchRef> paired_;  // Those of pairs_ now or before, by `mine`.
};

}  // namespace

void RestoreRoot(Transaction& transaction, Doc& doc, Doc& target, const std::string& name) {
  const TypeHandle mine = doc.Root(name);
  const TypeHandle theirs = target.Root(name);
  const bool is_text =
      KindOfRoot(doc, mine) == TypeKind::kText || KindOfRoot(target, theirs) == TypeKind::kText;
  Restorer(transaction, doc, target)
      .Run(mine, theirs, is_text ? TypeKind::kText : TypeKind::kXmlFragment);
}

}  // namespace coterie::crdt
