#include "crdt/view.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/item_store.h"
#include "crdt/rich_text.h"

namespace coterie::crdt {
namespace {

using Kind = JsValue::Kind;

constexpr std::string_view kObjectText = "[object Object]";

JsValue TextValue(std::string text) {
  JsValue value;
  value.kind = Kind::kString;
  value.text = std::move(text);
  return value;
}

JsValue BytesValue(std::string_view bytes) {
  JsValue value = TextValue(std::string(bytes));
  value.kind = Kind::kBytes;
  return value;
}

// The UTF-16 units of a text, one after the other, as JavaScript splits one into an array.
class Units {
 public:
  explicit Units(std::string_view text) : text_(text) {}
  // Requires that there is one more.
  std::string Next() {
    const std::size_t size = CodePointLength(text_);
    CHECK(size > 0);
    if (size < 4) {
      std::string unit(text_.substr(0, size));
      text_.remove_prefix(size);
      return unit;
    }
    const char32_t code = DecodeCodePoint(text_, size) - 0x10000;
    const char32_t unit = is_within_pair_ ? 0xdc00 + (code & 0x3ff) : 0xd800 + (code >> 10);
    if (is_within_pair_) text_.remove_prefix(size);
    is_within_pair_ = !is_within_pair_;
    const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
    return {byte(0xe0 | (unit >> 12)), byte(0x80 | ((unit >> 6) & 0x3f)),
            byte(0x80 | (unit & 0x3f))};
  }

 private:
  std::string_view text_;
  bool is_within_pair_ = false;
};

// The unit `offset` of a text.
JsValue UnitToValue(std::string_view text, Clock offset) {
  Units units(text);
  for (Clock i = 0; i < offset; ++i) units.Next();
  return TextValue(units.Next());
}

JsValue ValueAt(const View& view, const Item& item, Clock offset) {
  Lib0Reader reader(view.store.ValuesFrom(item, offset));
  if (item.kind() == ContentKind::kAny) return ReadAny(reader, view.budget);
  const std::string_view json = reader.VarBytes();
  return json == "undefined" ? JsValue{} : ParseJson(json, view.budget);
}

// Of what is visible, and read whole; deleted content has no bytes to be read.
void ReadContent(const View& view, const Item& item) {
  if (item.kind() != ContentKind::kString && item.kind() != ContentKind::kType) {
    view.budget.Read(view.store.BytesOf(item).size());
  } else if (item.kind() == ContentKind::kString) {
    view.budget.Read(view.store.TextOf(item).size());
  } else {
    view.budget.Read(1);
  }
}

JsValue MapToValue(const View& view, BranchRef branch, int depth) {
  const ItemStore& store = view.store;
  JsValue value;
  value.kind = Kind::kObject;
  SequenceRef key = store.BranchAt(branch).first_key;
  for (; key != 0; key = store.SequenceAt(key).next_key) {
    const Sequence& sequence = store.SequenceAt(key);
    if (sequence.tail == 0 || store.At(sequence.tail).is_deleted) continue;
    const std::string_view name = store.atoms().Text(sequence.key);
    // To assign that is to set the prototype, which nothing writes out again.
    if (name == "__proto__") continue;
    const Item& item = store.At(sequence.tail);
    view.budget.Read(name.size());
    ReadContent(view, item);
    if (!view.budget.Spend(kBytesPerJsValue)) break;
    value.members.push_back(
        {std::string(name), ContentToValue(view, item, item.length - 1, depth + 1)});
  }
  SettleMembers(value.members);
  return value;
}

JsValue ArrayToValue(const View& view, BranchRef branch, int depth) {
  const ItemStore& store = view.store;
  JsValue value;
  value.kind = Kind::kArray;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    const Item& item = store.At(ref);
    if (!item.IsVisible()) continue;
    ReadContent(view, item);
    if (!view.budget.Spend(kBytesPerJsValue * item.length)) break;
    if (item.kind() == ContentKind::kAny) {  // Each read once, not each from the front.
      Lib0Reader reader(store.BytesOf(item));
      for (Clock i = 0; i < item.length && !view.budget.is_spent(); ++i) {
        value.items.push_back(ReadAny(reader, view.budget));
      }
      continue;
    }
    if (item.kind() == ContentKind::kString) {
      Units units(store.TextOf(item));
      for (Clock i = 0; i < item.length; ++i) value.items.push_back(TextValue(units.Next()));
      continue;
    }
    for (Clock i = 0; i < item.length; ++i) {
      value.items.push_back(ContentToValue(view, item, i, depth + 1));
    }
  }
  return value;
}

std::string PlainText(const ItemStore& store, BranchRef branch) {
  std::string text;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    const Item& item = store.At(ref);
    if (item.kind() == ContentKind::kString && !item.is_deleted) text += store.TextOf(item);
  }
  return text;
}

// As `${value}`.
std::string Interpolated(const JsValue& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return "undefined";
    case Kind::kNull:
      return "null";
    case Kind::kFalse:
      return "false";
    case Kind::kTrue:
      return "true";
    case Kind::kNumber:
      return NumberText(value.number);
    case Kind::kBigInt:
      return std::to_string(static_cast<std::int64_t>(value.big_int));
    case Kind::kString:
      return value.text;
    case Kind::kBytes: {
      std::string text;
      for (const char byte : value.text) {
        if (!text.empty()) text += ',';
        text += std::to_string(static_cast<unsigned char>(byte));
      }
      return text;
    }
    case Kind::kArray: {
      std::string text;
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        const JsValue& item = value.items[i];
        const bool is_empty = item.kind == Kind::kUndefined || item.kind == Kind::kNull;
        if (i > 0) text += ',';
        if (!is_empty) text += Interpolated(item);
      }
      return text;
    }
    case Kind::kObject:
      return std::string(kObjectText);
  }
  return {};
}

std::string ContentToString(const View& view, const Item& item, Clock offset, int depth) {
  const ItemStore& store = view.store;
  if (item.kind() == ContentKind::kType) {
    const BranchRef type = store.TypeOf(item);
    return TypeToString(view, type, store.BranchAt(type).kind, depth + 1);
  }
  if (item.kind() == ContentKind::kDoc) return std::string(kObjectText);
  return Interpolated(ContentToValue(view, item, offset, depth + 1));
}

std::string ChildrenToString(const View& view, BranchRef branch, int depth) {
  const ItemStore& store = view.store;
  std::string text;
  for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
    const Item& item = store.At(ref);
    if (!item.IsVisible()) continue;
    ReadContent(view, item);
    if (view.budget.is_spent()) break;
    if (item.kind() == ContentKind::kString) {
      Units units(store.TextOf(item));
      for (Clock i = 0; i < item.length; ++i) text += units.Next();
      continue;
    }
    for (Clock i = 0; i < item.length; ++i) text += ContentToString(view, item, i, depth);
  }
  return text;
}

std::string ElementToString(const View& view, BranchRef ref, int depth) {
  const ItemStore& store = view.store;
  const Branch& branch = store.BranchAt(ref);
  std::vector<std::pair<std::string, std::string>> attributes;
  for (SequenceRef key = branch.first_key; key != 0; key = store.SequenceAt(key).next_key) {
    const Sequence& sequence = store.SequenceAt(key);
    if (sequence.tail == 0 || store.At(sequence.tail).is_deleted) continue;
    const Item& item = store.At(sequence.tail);
    ReadContent(view, item);
    attributes.emplace_back(store.atoms().Text(sequence.key),
                            ContentToString(view, item, item.length - 1, depth));
  }
  std::sort(attributes.begin(), attributes.end(),
            [](const auto& a, const auto& b) { return IsBeforeInUtf16(a.first, b.first); });
  std::string name(branch.name == 0 ? "undefined" : store.atoms().Text(branch.name));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string text = "<" + name;
  for (const auto& [key, value] : attributes) {
    text += " ";
    text += key + "=\"" + value + "\"";
  }
  return text + ">" + ChildrenToString(view, ref, depth) + "</" + name + ">";
}

// The letters of a string as attributes, by index; those are sorted as the strings they are.
std::string LettersAsAttributes(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> letters;
  Units units(text);
  const std::uint64_t count = Utf16Length(text);
  letters.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) letters.emplace_back(std::to_string(i), units.Next());
  std::sort(letters.begin(), letters.end());
  std::string attributes;
  for (const auto& [index, letter] : letters) {
    attributes += " ";
    attributes += index + "=\"" + letter + "\"";
  }
  return attributes;
}

// Each attribute of a text is an element around it, and its members are that one's attributes.
std::string WithElements(const Attributes& attributes, const std::string& inner,
                         ViewBudget& budget) {
  std::vector<std::pair<std::string, JsValue>> nodes;
  for (const auto& [key, json] : attributes) nodes.emplace_back(key, ParseJson(json, budget));
  const auto is_before = [](const auto& a, const auto& b) {
    return IsBeforeInUtf16(a.first, b.first);
  };
  std::sort(nodes.begin(), nodes.end(), is_before);
  std::string text;
  for (auto& [name, value] : nodes) {
    text += "<" + name;
    constexpr std::uint64_t kBytesPerLetter = 16;
    if (value.kind == Kind::kString && budget.Spend(kBytesPerLetter * value.text.size())) {
      text += LettersAsAttributes(value.text);
    }
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      value.members.push_back({std::to_string(i), value.items[i]});
    }
    std::stable_sort(value.members.begin(), value.members.end(), is_before);
    for (const auto& [key, member] : value.members) {
      text += " ";
      text += key + "=\"" + Interpolated(member) + "\"";
    }
    text += ">";
  }
  text += inner;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) text += "</" + node->first + ">";
  return text;
}

std::string XmlTextToString(const View& view, BranchRef branch, int depth) {
  std::string text;
  for (const DeltaOp& op : TypeToDelta(view, branch)) {
    if (view.budget.is_spent()) break;
    switch (op.kind) {
      case DeltaOp::Kind::kText:
        text += WithElements(op.attributes, op.text, view.budget);
        break;
      case DeltaOp::Kind::kEmbed:
        text +=
            WithElements(op.attributes, Interpolated(ParseJson(op.text, view.budget)), view.budget);
        break;
      case DeltaOp::Kind::kType: {
        const TypeKind kind = view.store.BranchAt(op.type.branch).kind;
        text += WithElements(op.attributes, TypeToString(view, op.type.branch, kind, depth + 1),
                             view.budget);
        break;
      }
      case DeltaOp::Kind::kValues:
      case DeltaOp::Kind::kRetain:
      case DeltaOp::Kind::kDelete:
        break;
    }
  }
  return text;
}

void ReplaceBigInts(JsValue& value) {
  if (value.kind == Kind::kBigInt) {
    value.kind = Kind::kNumber;
    value.number = static_cast<double>(static_cast<std::int64_t>(value.big_int));
  }
  for (JsValue& item : value.items) ReplaceBigInts(item);
  for (auto& member : value.members) ReplaceBigInts(member.second);
}

}  // namespace

TypeKind KindOr(const ItemStore& store, BranchRef branch, TypeKind kind) {
  return store.BranchAt(branch).has_kind ? store.BranchAt(branch).kind : kind;
}

ItemRef ValueItemOf(const ItemStore& store, BranchRef branch, Atom key) {
  const SequenceRef sequence = key == 0 ? 0 : store.FindKey(branch, key);
  const ItemRef tail = store.SequenceAt(sequence).tail;
  return tail != 0 && !store.At(tail).is_deleted ? tail : 0;
}

JsValue ContentToValue(const View& view, const Item& item, Clock offset, int depth) {
  const ItemStore& store = view.store;
  switch (item.kind()) {
    case ContentKind::kString:
      return UnitToValue(store.TextOf(item), offset);
    case ContentKind::kAny:
    case ContentKind::kJson:
      return ValueAt(view, item, offset);
    case ContentKind::kBinary: {
      Lib0Reader reader(store.BytesOf(item));
      return BytesValue(reader.VarBytes());
    }
    case ContentKind::kEmbed: {
      Lib0Reader reader(store.BytesOf(item));
      return ParseJson(reader.VarBytes(), view.budget);
    }
    case ContentKind::kType: {
      const BranchRef type = store.TypeOf(item);
      return TypeToValue(view, type, store.BranchAt(type).kind, depth);
    }
    case ContentKind::kDoc: {
      JsValue empty;  // A document of its own, of which this one knows the name alone.
      empty.kind = Kind::kObject;
      return empty;
    }
    case ContentKind::kGc:
    case ContentKind::kDeleted:
    case ContentKind::kFormat:
    case ContentKind::kSkip:
      break;
  }
  return {};
}

JsValue TypeToValue(const View& view, BranchRef branch, TypeKind kind, int depth) {
  if (depth > kViewDepthMax) return {};
  switch (kind) {
    case TypeKind::kArray:
      return ArrayToValue(view, branch, depth);
    case TypeKind::kMap:
    case TypeKind::kXmlHook:
      return MapToValue(view, branch, depth);
    case TypeKind::kText:
    case TypeKind::kXmlElement:
    case TypeKind::kXmlFragment:
    case TypeKind::kXmlText:
      return TextValue(TypeToString(view, branch, kind, depth));
  }
  return {};
}

std::string TypeToString(const View& view, BranchRef branch, TypeKind kind, int depth) {
  if (depth > kViewDepthMax) return {};
  switch (kind) {
    case TypeKind::kText:
      return PlainText(view.store, branch);
    case TypeKind::kXmlText:
      return XmlTextToString(view, branch, depth);
    case TypeKind::kXmlElement:
      return ElementToString(view, branch, depth);
    case TypeKind::kXmlFragment:
      return ChildrenToString(view, branch, depth);
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kXmlHook:
      return std::string(kObjectText);
  }
  return {};
}

// Tells of a text, from left to right: of each piece of letters with the same attributes, and of
// each object. Keeps count of what the attributes in force come to.
class DeltaBuilder {
 public:
  explicit DeltaBuilder(const View& view) : view_(view) {}

  Delta Build(BranchRef branch) {
    const ItemStore& store = view_.store;
    for (ItemRef ref = store.HeadOf(branch); ref != 0; ref = store.At(ref).right) {
      if (!store.At(ref).is_deleted) Add(store.At(ref));
      if (view_.budget.is_spent()) break;
    }
    Flush();
    return std::move(delta_);
  }

 private:
  void Add(const Item& item) {
    const ItemStore& store = view_.store;
    if (item.kind() == ContentKind::kString) {
      view_.budget.Read(store.TextOf(item).size());
      text_ += store.TextOf(item);
    } else if (item.kind() == ContentKind::kFormat) {
      Flush();
      Mark(store.ExtentOf(item).extra, store.BytesOf(item));
    } else if (item.kind() == ContentKind::kEmbed) {
      Flush();
      Lib0Reader reader(store.BytesOf(item));
      view_.budget.Read(reader.remaining_bytes());
      Push({.kind = DeltaOp::Kind::kEmbed,
            .length = 1,
            .text = std::string(reader.VarBytes()),
            .type = {},
            .attributes = {}});
    } else if (item.kind() == ContentKind::kType) {
      Flush();
      Push({.kind = DeltaOp::Kind::kType,
            .length = 1,
            .text = {},
            .type = store.HandleOf(store.TypeOf(item)),
            .attributes = {}});
    }
  }

  void Mark(Atom key, std::string_view json) {
    const std::uint64_t name_bytes = view_.store.atoms().Text(key).size();
    view_.budget.Read(name_bytes + json.size());
    const std::string* before = current_.Find(key);
    if (before != nullptr) bytes_ -= BytesOf(name_bytes, *before);
    ApplyMark(current_, key, json);
    const std::string* after = current_.Find(key);
    if (after != nullptr) bytes_ += BytesOf(name_bytes, *after);
  }
  // In memory, and twice the name, as in XML.
  static std::uint64_t BytesOf(std::uint64_t name_bytes, const std::string& json) {
    return sizeof(Attributes::value_type) + 2 * name_bytes + json.size();
  }

  void Flush() {
    if (text_.empty()) return;
    DeltaOp op{
        .kind = DeltaOp::Kind::kText, .text = std::move(text_), .type = {}, .attributes = {}};
    op.length = Utf16Length(op.text);
    Push(std::move(op));
    text_.clear();
  }
  void Push(DeltaOp op) {
    view_.budget.Read(sizeof(DeltaOp) / ViewBudget::kGrowthMax);
    if (!view_.budget.Spend(bytes_)) return;
    op.attributes.reserve(current_.size());
    current_.ForEach([&](Atom key, const std::string& json) {
      op.attributes.emplace_back(view_.store.atoms().Text(key), json);
    });
    delta_.push_back(std::move(op));
  }

  const View& view_;
  Delta delta_;
  std::string text_;
  AttributeMap current_;
  std::uint64_t bytes_ = 0;  // What those come to, each time.
};

Delta TypeToDelta(const View& view, BranchRef branch) { return DeltaBuilder(view).Build(branch); }

JsValue TypeToValue(const ItemStore& store, BranchRef branch, TypeKind kind) {
  ViewBudget budget = ViewBudget::Unbounded();
  return TypeToValue(View{store, budget}, branch, kind);
}

std::string TypeToString(const ItemStore& store, BranchRef branch, TypeKind kind) {
  ViewBudget budget = ViewBudget::Unbounded();
  return TypeToString(View{store, budget}, branch, kind);
}

Delta TypeToDelta(const ItemStore& store, BranchRef branch) {
  ViewBudget budget = ViewBudget::Unbounded();
  return TypeToDelta(View{store, budget}, branch);
}

JsValue ContentToValue(const ItemStore& store, const Item& item, Clock offset) {
  ViewBudget budget = ViewBudget::Unbounded();
  return ContentToValue(View{store, budget}, item, offset);
}

std::string ToJson(JsValue value) {
  ReplaceBigInts(value);
  std::string json;
  return WriteJson(value, json) ? json : "null";
}

bool IsBeforeInUtf16(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at_a == a.end() || at_b == b.end()) return at_a == a.end() && at_b != b.end();
  const auto one = static_cast<unsigned char>(*at_a);
  const auto two = static_cast<unsigned char>(*at_b);
  // Four bytes (f0..f4) are a pair that begins with d800..dbff, which is before e000..ffff (ee,
  // ef).
  const bool a_is_pair = one >= 0xf0;
  const bool b_is_pair = two >= 0xf0;
  if (a_is_pair != b_is_pair && one >= 0xee && two >= 0xee) return a_is_pair;
  return one < two;
}

}  // namespace coterie::crdt
