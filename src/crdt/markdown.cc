#include "crdt/markdown.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/js_value.h"
#include "crdt/view.h"

namespace coterie::crdt {
namespace {

using Kind = JsValue::Kind;

constexpr int kDepthMax = 100;
constexpr std::size_t kAttributeBytesMax = 64 << 10;
constexpr double kNumberMax = 999'999'999;

enum class Node : std::uint8_t {
  kParagraph,
  kHeading,
  kBulletList,
  kOrderedList,
  kListItem,
  kTaskItem,
  kBulletBlock,    // BlockNote: an item that is its own block.
  kNumberedBlock,  // BlockNote.
  kCheckBlock,     // BlockNote.
  kQuote,
  kCode,
  kRule,
  kBreak,
  kImage,
  kMention,
  kTable,
  kTableRow,
  kTableCell,
  kContainer,  // BlockNote: a block, then a group of what is nested under it.
  kOther,
};

// Node names in lower case without underscores: schemas differ in no more than that.
constexpr std::array<std::pair<std::string_view, Node>, 33> kNodes = {{
    {"paragraph", Node::kParagraph},
    {"heading", Node::kHeading},
    {"bulletlist", Node::kBulletList},
    {"tasklist", Node::kBulletList},
    {"orderedlist", Node::kOrderedList},
    {"listitem", Node::kListItem},
    {"taskitem", Node::kTaskItem},
    {"bulletlistitem", Node::kBulletBlock},
    {"togglelistitem", Node::kBulletBlock},
    {"numberedlistitem", Node::kNumberedBlock},
    {"checklistitem", Node::kCheckBlock},
    {"blockquote", Node::kQuote},
    {"quote", Node::kQuote},
    {"codeblock", Node::kCode},
    {"horizontalrule", Node::kRule},
    {"divider", Node::kRule},
    {"hardbreak", Node::kBreak},
    {"image", Node::kImage},
    {"file", Node::kImage},
    {"video", Node::kImage},
    {"audio", Node::kImage},
    {"mention", Node::kMention},
    {"table", Node::kTable},
    {"tablerow", Node::kTableRow},
    {"tablecell", Node::kTableCell},
    {"tableheader", Node::kTableCell},
    {"blockcontainer", Node::kContainer},
    {"blockgroup", Node::kOther},
    {"tableparagraph", Node::kParagraph},
    {"doc", Node::kOther},
    {"details", Node::kOther},
    {"columnlist", Node::kOther},
    {"column", Node::kOther},
}};

Node NodeOf(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 64;
  if (name.size() > kNameBytesMax) return Node::kOther;
  std::string plain;
  for (const char c : name) {
    if (c != '_') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const auto* found = std::find_if(kNodes.begin(), kNodes.end(),
                                   [&plain](const auto& node) { return node.first == plain; });
  return found == kNodes.end() ? Node::kOther : found->second;
}

bool IsInline(Node node) {
  return node == Node::kBreak || node == Node::kMention || node == Node::kImage;
}

// Whether blocks of this kind follow each other without an empty line.
bool IsItem(Node node) {
  return node == Node::kListItem || node == Node::kTaskItem || node == Node::kBulletBlock ||
         node == Node::kNumberedBlock || node == Node::kCheckBlock;
}

bool IsList(Node node) { return node == Node::kBulletList || node == Node::kOrderedList; }

// --- Marks: what stands around a part of a line, from the outside in ---

struct Mark {
  enum class Kind : std::uint8_t { kLink, kBold, kItalic, kStrike, kCode };
  Kind kind = Kind::kBold;
  std::string target;  // Of a link.
  friend bool operator==(const Mark&, const Mark&) = default;
};

std::string OpeningOf(const Mark& mark) {
  switch (mark.kind) {
    case Mark::Kind::kLink:
      return "[";
    case Mark::Kind::kBold:
      return "**";
    case Mark::Kind::kItalic:
      return "*";
    case Mark::Kind::kStrike:
      return "~~";
    case Mark::Kind::kCode:
      return "`";
  }
  return {};
}

std::string ClosingOf(const Mark& mark) {
  return mark.kind == Mark::Kind::kLink ? "](" + mark.target + ")" : OpeningOf(mark);
}

std::vector<Mark> MarksOf(const Attributes& attributes) {
  std::vector<Mark> marks;
  for (const auto& [key, json] : attributes) {
    if (json == "null" || json == "false") continue;
    // Of several marks of one kind y-prosemirror adds a hash to the name.
    const std::string_view name = std::string_view(key).substr(0, key.find("--"));
    if (name == "bold" || name == "strong") marks.push_back({.kind = Mark::Kind::kBold});
    if (name == "italic" || name == "em") marks.push_back({.kind = Mark::Kind::kItalic});
    if (name == "strike" || name == "strikethrough") marks.push_back({.kind = Mark::Kind::kStrike});
    if (name == "code") marks.push_back({.kind = Mark::Kind::kCode});
    if (name != "link") continue;
    const JsValue value = ParseJson(json);
    const JsValue* href = value.Find("href");
    const bool has_target = href != nullptr && href->kind == Kind::kString;
    marks.push_back(
        {.kind = Mark::Kind::kLink, .target = has_target ? ToUtf8(href->text) : std::string()});
  }
  std::stable_sort(marks.begin(), marks.end(),
                   [](const Mark& a, const Mark& b) { return a.kind < b.kind; });
  return marks;
}

// A line under way. Marks open and close beside letters: "a **b** c", never "a** b **c".
class Line {
 public:
  void Add(std::string_view text, const std::vector<Mark>& marks) {
    std::size_t same = 0;
    while (same < marks.size() && same < open_.size() && marks[same] == open_[same]) ++same;
    CloseTo(same);
    if (same < marks.size()) {
      const std::size_t letters = std::min(text.find_first_not_of(' '), text.size());
      text_ += text.substr(0, letters);
      text.remove_prefix(letters);
      if (text.empty()) return;
      for (; same < marks.size(); ++same) {
        text_ += OpeningOf(marks[same]);
        open_.push_back(marks[same]);
      }
    }
    text_ += text;
  }
  std::string Take() {
    CloseTo(0);
    return std::move(text_);
  }

 private:
  void CloseTo(std::size_t count) {
    if (open_.size() == count) return;
    const std::size_t letters = text_.find_last_not_of(' ') + 1;
    const std::string blanks = text_.substr(letters);
    text_.resize(letters);
    for (; open_.size() > count; open_.pop_back()) text_ += ClosingOf(open_.back());
    text_ += blanks;
  }

  std::string text_;
  std::vector<Mark> open_;
};

// --- The tree ---

// Every line but the first begins with `rest`, the first with `first`; empty ones have no blanks.
std::string Prefixed(std::string_view text, std::string_view first, std::string_view rest) {
  std::string prefixed;
  std::string_view prefix = first;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    prefixed += prefix;
    prefixed += line;
    if (line.empty()) prefixed.resize(prefixed.find_last_not_of(' ') + 1);
    if (end == std::string_view::npos) return prefixed;
    prefixed += '\n';
    text.remove_prefix(end + 1);
    prefix = rest;
  }
}

class Writer {
 public:
  explicit Writer(const View& view) : view_(view), store_(view.store) {}

  // The blocks of a node, from top to bottom.
  std::string Blocks(BranchRef parent, int depth) const;

 private:
  struct Child {
    BranchRef branch = 0;
    bool is_text = false;
    Node node = Node::kOther;
  };
  Node KindOf(BranchRef branch) const;
  std::vector<Child> ChildrenOf(BranchRef parent) const;
  Child FirstChildOf(BranchRef parent) const;
  std::optional<JsValue> AttributeOf(BranchRef branch, std::string_view name) const;
  std::string TextOf(BranchRef branch, std::initializer_list<std::string_view> names) const;
  std::uint64_t NumberOf(BranchRef branch, std::initializer_list<std::string_view> names) const;
  bool IsChecked(BranchRef branch) const;

  std::string Indented(const std::string& text, std::string_view first,
                       std::string_view rest) const;
  std::string Block(const Child& child, std::uint64_t number, int depth) const;
  std::string ItemOf(BranchRef branch, std::string_view marker, int depth) const;
  std::string Marker(const Child& child, std::uint64_t number) const;
  std::string Items(const Child& list, int depth) const;
  std::string Container(const Child& container, std::uint64_t number, int depth) const;
  std::string Table(BranchRef table, int depth) const;
  std::string Code(BranchRef branch, int depth) const;
  bool HasInline(BranchRef parent) const;
  std::string Inline(BranchRef parent, int depth) const;
  void AddInline(BranchRef parent, int depth, Line& line) const;
  void AddText(BranchRef text, int depth, Line& line) const;
  std::string InlineNode(const Child& child) const;

  const View& view_;
  const ItemStore& store_;
};

Node Writer::KindOf(BranchRef branch) const {
  const Branch& type = store_.BranchAt(branch);
  return type.is_root || type.name == 0 ? Node::kOther : NodeOf(store_.atoms().Text(type.name));
}

std::vector<Writer::Child> Writer::ChildrenOf(BranchRef parent) const {
  std::vector<Child> children;
  for (ItemRef ref = store_.HeadOf(parent); ref != 0; ref = store_.At(ref).right) {
    const Item& item = store_.At(ref);
    if (item.is_deleted || item.kind() != ContentKind::kType) continue;
    view_.budget.Read(1);
    Child child{.branch = store_.TypeOf(item)};
    const TypeKind kind = store_.BranchAt(child.branch).kind;
    child.is_text = kind == TypeKind::kXmlText || kind == TypeKind::kText;
    if (!child.is_text) child.node = KindOf(child.branch);
    children.push_back(child);
  }
  return children;
}

std::optional<JsValue> Writer::AttributeOf(BranchRef branch, std::string_view name) const {
  const ItemRef ref = ValueItemOf(store_, branch, store_.atoms().Find(name));
  if (ref == 0) return std::nullopt;
  const Item& item = store_.At(ref);
  // What an attribute says is short: all else, types among it, says nothing here.
  const bool is_value = item.kind() == ContentKind::kAny || item.kind() == ContentKind::kJson;
  if (!is_value || store_.BytesOf(item).size() > kAttributeBytesMax) return std::nullopt;
  return ContentToValue(store_, item, item.length - 1);
}

// The first of these that is a text and not empty.
std::string Writer::TextOf(BranchRef branch, std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const std::optional<JsValue> value = AttributeOf(branch, name);
    if (value && value->kind == Kind::kString && !value->text.empty()) return ToUtf8(value->text);
  }
  return {};
}

// The first of these that is a number, or a text of digits, within reason; 1 if there is none.
std::uint64_t Writer::NumberOf(BranchRef branch,
                               std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const std::optional<JsValue> value = branch == 0 ? std::nullopt : AttributeOf(branch, name);
    if (!value) continue;
    double number = value->kind == Kind::kNumber ? value->number : -1;
    if (value->kind == Kind::kString && !value->text.empty() && value->text.size() < 10 &&
        value->text.find_first_not_of("0123456789") == std::string::npos) {
      number = std::stod(value->text);
    }
    if (number >= 0 && number <= kNumberMax) return static_cast<std::uint64_t>(number);
  }
  return 1;
}

bool Writer::IsChecked(BranchRef branch) const {
  const std::optional<JsValue> value = AttributeOf(branch, "checked");
  return value &&
         (value->kind == Kind::kTrue || (value->kind == Kind::kString && value->text == "true"));
}

std::string Writer::Blocks(BranchRef parent, int depth) const {
  if (depth > kDepthMax) return {};
  if (HasInline(parent)) return Inline(parent, depth);
  std::string text;
  const Node around = KindOf(parent);
  Node previous = Node::kOther;
  std::uint64_t number = 0;
  for (const Child& child : ChildrenOf(parent)) {
    if (view_.budget.is_spent()) break;
    const Child shown = child.node == Node::kContainer ? FirstChildOf(child.branch) : child;
    const Node node = shown.node;
    // BlockNote numbers the first of a run; the others follow it.
    number = node == previous ? number + 1 : NumberOf(shown.branch, {"start"});
    const std::string block = Block(child, number, depth + 1);
    const bool is_tight = IsList(node) ? IsItem(around) : IsItem(node) && node == previous;
    // An empty block is there as long as something is on both sides of it.
    if (!text.empty()) text += is_tight ? "\n" : "\n\n";
    text += block;
    previous = node;
  }
  text.resize(text.find_last_not_of('\n') + 1);
  return text;
}

std::string Writer::Indented(const std::string& text, std::string_view first,
                             std::string_view rest) const {
  const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (!view_.budget.Spend(lines * std::max(first.size(), rest.size()))) return {};
  return Prefixed(text, first, rest);
}

Writer::Child Writer::FirstChildOf(BranchRef parent) const {
  const std::vector<Child> children = ChildrenOf(parent);
  return children.empty() ? Child() : children.front();
}

std::string Writer::Block(const Child& child, std::uint64_t number, int depth) const {
  const BranchRef branch = child.branch;
  if (depth > kDepthMax) return {};
  if (child.is_text) {
    Line line;
    AddText(branch, depth, line);
    return line.Take();
  }
  switch (child.node) {
    case Node::kHeading: {
      const std::uint64_t level = std::clamp<std::uint64_t>(NumberOf(branch, {"level"}), 1, 6);
      return std::string(level, '#') + " " + Inline(branch, depth);
    }
    case Node::kBulletList:
    case Node::kOrderedList:
      return Items(child, depth);
    case Node::kListItem:
    case Node::kTaskItem:
    case Node::kBulletBlock:
    case Node::kNumberedBlock:
    case Node::kCheckBlock:
      return ItemOf(branch, Marker(child, number), depth);
    case Node::kQuote:
      return Indented(Blocks(branch, depth), "> ", "> ");
    case Node::kCode:
      return Code(branch, depth);
    case Node::kRule:
      return "---";
    case Node::kTable:
      return Table(branch, depth);
    case Node::kContainer:
      return Container(child, number, depth);
    case Node::kBreak:
    case Node::kImage:
    case Node::kMention:
      return InlineNode(child);
    case Node::kParagraph:
    case Node::kTableRow:
    case Node::kTableCell:
    case Node::kOther:
      return Blocks(branch, depth);
  }
  return {};
}

std::string Writer::Marker(const Child& child, std::uint64_t number) const {
  switch (child.node) {
    case Node::kTaskItem:
    case Node::kCheckBlock:
      return IsChecked(child.branch) ? "- [x] " : "- [ ] ";
    case Node::kNumberedBlock:
      return std::to_string(number) + ". ";
    default:
      return "- ";
  }
}

std::string Writer::ItemOf(BranchRef branch, std::string_view marker, int depth) const {
  // What is under an item begins where its text does, but for the box of a task.
  const std::string_view indent = marker.substr(0, marker.find(' ') + 1);
  return Indented(Blocks(branch, depth), marker, std::string(indent.size(), ' '));
}

// An item's blocks follow each other closely, as the items do.
std::string Writer::Items(const Child& list, int depth) const {
  const bool is_ordered = list.node == Node::kOrderedList;
  std::uint64_t number = NumberOf(list.branch, {"start", "order"});
  std::string text;
  for (const Child& child : ChildrenOf(list.branch)) {
    if (!text.empty()) text += "\n";
    if (is_ordered) {
      text += ItemOf(child.branch, std::to_string(number++) + ". ", depth + 1);
    } else {
      text += ItemOf(child.branch, Marker(child, number), depth + 1);
    }
  }
  return text;
}

// What is nested under an item belongs to it; under anything else it follows.
std::string Writer::Container(const Child& container, std::uint64_t number, int depth) const {
  const std::vector<Child> children = ChildrenOf(container.branch);
  if (children.empty()) return {};
  const Child& first = children.front();
  const bool is_item = IsItem(first.node);
  const std::string marker = is_item ? Marker(first, number) : std::string();
  const std::string indent(marker.find(' ') + 1, ' ');
  std::string text = Block(first, number, depth + 1);
  for (auto child = children.begin() + 1; child != children.end(); ++child) {
    const std::string nested = Block(*child, 1, depth + 1);
    text += is_item ? "\n" + Indented(nested, indent, indent) : "\n\n" + nested;
  }
  return text;
}

// The first row is the head: Markdown has no table without.
std::string Writer::Table(BranchRef table, int depth) const {
  std::vector<std::vector<std::string>> rows;
  std::size_t columns = 0;
  for (const Child& row : ChildrenOf(table)) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (const Child& cell : ChildrenOf(row.branch)) {
      std::string text = Blocks(cell.branch, depth + 2);
      std::string line;
      for (const char c : text) {
        if (c == '\n' && (line.empty() || line.back() == ' ')) continue;
        if (c == '|') line += '\\';
        line += c == '\n' ? ' ' : c;
      }
      cells.push_back(std::move(line));
    }
    columns = std::max(columns, cells.size());
  }
  // Each row is as wide as the widest.
  if (!view_.budget.Spend(rows.size() * columns * sizeof(std::string))) return {};
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].resize(columns);
    text += "|";
    for (const std::string& cell : rows[i]) text += " " + cell + " |";
    text += "\n";
    if (i > 0) continue;
    text += "|";
    for (std::size_t column = 0; column < columns; ++column) text += " --- |";
    text += "\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

std::string Writer::Code(BranchRef branch, int depth) const {
  const std::string text = Inline(branch, depth);
  std::size_t longest = 2;  // Run of backticks.
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + TextOf(branch, {"language", "params"}) + "\n" + text + "\n" + fence;
}

// --- Within a line ---

bool Writer::HasInline(BranchRef parent) const {
  const std::vector<Child> children = ChildrenOf(parent);
  // A picture alone is a block of its own, which looks the same.
  return std::any_of(children.begin(), children.end(), [](const Child& child) {
    return child.is_text || child.node == Node::kBreak || child.node == Node::kMention;
  });
}

std::string Writer::Inline(BranchRef parent, int depth) const {
  Line line;
  AddInline(parent, depth, line);
  return line.Take();
}

void Writer::AddInline(BranchRef parent, int depth, Line& line) const {
  if (depth > kDepthMax) return;
  for (const Child& child : ChildrenOf(parent)) {
    if (child.is_text) {
      AddText(child.branch, depth + 1, line);
    } else if (IsInline(child.node)) {
      line.Add(InlineNode(child), {});
    } else {
      AddInline(child.branch, depth + 1, line);
    }
  }
}

void Writer::AddText(BranchRef text, int depth, Line& line) const {
  for (const DeltaOp& op : TypeToDelta(view_, text)) {
    if (view_.budget.is_spent()) return;
    if (op.kind == DeltaOp::Kind::kText) line.Add(op.text, MarksOf(op.attributes));
    if (op.kind != DeltaOp::Kind::kType || depth > kDepthMax) continue;
    Line inner;
    AddInline(op.type.branch, depth + 1, inner);
    line.Add(inner.Take(), MarksOf(op.attributes));
  }
}

std::string Writer::InlineNode(const Child& child) const {
  switch (child.node) {
    case Node::kBreak:
      return "\\\n";
    case Node::kMention:
      return "@" + TextOf(child.branch, {"label", "name", "user", "id"});
    case Node::kImage:
      return "![" + TextOf(child.branch, {"alt", "caption", "title", "name"}) + "](" +
             TextOf(child.branch, {"src", "url"}) + ")";
    default:
      return {};
  }
}

}  // namespace

std::string ToMarkdown(const Doc& doc, TypeHandle type) {
  ViewBudget budget = ViewBudget::Unbounded();
  return ToMarkdown(doc, type, budget);
}

std::string ToMarkdown(const Doc& doc, TypeHandle type, ViewBudget& budget) {
  const BranchRef branch = doc.store().Resolve(type);
  if (branch == 0) return {};
  const View view{doc.store(), budget};
  return Writer(view).Blocks(branch, 0);
}

}  // namespace coterie::crdt
