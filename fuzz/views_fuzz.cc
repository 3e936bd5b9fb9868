// Documents that were made to be read: every view of every root stays within its budget, and what a
// root was after the first update can be restored when the second one has changed it. What a
// restore writes is the same for a document that was loaded anew, and so is what readers see of it,
// whether it was loaded before the second one or after it.
//
//   input := length of the first:u16 (little-endian) first second

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/markdown.h"
#include "crdt/restore.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/validate.h"
#include "crdt/view.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

using crdt::Doc;
using crdt::TypeKind;

constexpr std::uint64_t kFloorBytes = 64 << 10;
constexpr std::size_t kRootsMax = 8;
// No editor's: the largest that there is.
constexpr crdt::Client kWriter{crdt::kClientMax};

constexpr TypeKind kKinds[] = {TypeKind::kArray,      TypeKind::kMap,         TypeKind::kText,
                               TypeKind::kXmlElement, TypeKind::kXmlFragment, TypeKind::kXmlHook,
                               TypeKind::kXmlText};

Doc Load(std::string_view update) {
  Doc doc({.garbage = crdt::Garbage::kCollect});
  CHECK(!doc.Apply(update));
  return doc;
}

std::vector<std::string> RootsOf(const Doc& doc) {
  std::vector<std::string> names = doc.root_names();
  if (names.size() > kRootsMax) names.resize(kRootsMax);
  return names;
}

void Render(std::string_view input, Doc& doc, const std::string& name) {
  const crdt::TypeHandle type = doc.Root(name);
  for (const TypeKind kind : kKinds) {
    const GrowthLimit limit(input);
    crdt::ViewBudget budget(kFloorBytes);
    static_cast<void>(doc.ToJson({{.name = name, .kind = kind}}, budget));
    crdt::ViewBudget text_budget(kFloorBytes);
    static_cast<void>(crdt::TypeToString(crdt::View{doc.store(), text_budget}, type.branch, kind));
  }
  const GrowthLimit limit(input);
  crdt::ViewBudget delta_budget(kFloorBytes);
  static_cast<void>(crdt::TypeToDelta(crdt::View{doc.store(), delta_budget}, type.branch));
  crdt::ViewBudget markdown_budget(kFloorBytes);
  static_cast<void>(crdt::ToMarkdown(doc, type, markdown_budget));
  const crdt::Text text(doc, type);
  CHECK(text.size().bytes == text.ToString().size());
  CHECK(text.size().utf16 == text.length());
}

// The order of keys and attributes is no property of the document.
void SortMembers(crdt::JsValue& value) {
  std::sort(value.members.begin(), value.members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (crdt::JsValue& item : value.items) SortMembers(item);
  for (crdt::JsMember& member : value.members) SortMembers(member.second);
}

// What readers see of a root; empty if that is too much.
std::string Look(Doc& doc, const std::string& name) {
  const crdt::BranchRef root = doc.Root(name).branch;
  crdt::ViewBudget budget;
  const crdt::View view{doc.store(), budget};
  std::string seen;
  for (const TypeKind kind : kKinds) {
    crdt::JsValue value = crdt::TypeToValue(view, root, kind);
    if (budget.is_spent()) return {};
    SortMembers(value);
    seen += crdt::ToJson(std::move(value)) + "\n";
  }
  for (crdt::DeltaOp& op : crdt::TypeToDelta(view, root)) {
    std::sort(op.attributes.begin(), op.attributes.end());
    seen += std::to_string(static_cast<int>(op.kind)) + " " + op.text + "\n";
    for (const auto& [key, json] : op.attributes) seen += " " + key + "=" + json + "\n";
  }
  return budget.is_spent() ? std::string() : seen;
}

// Whether they look alike; if their bytes differ, somebody used an id twice, and they need not.
void CheckAlike(Doc& doc, Doc& other, const std::string& state) {
  if (other.EncodeStateAsUpdate() != state) return;
  for (const std::string& name : RootsOf(doc)) CHECK(Look(doc, name) == Look(other, name));
}

std::string Restore(Doc& doc, Doc& target) {
  crdt::Transaction transaction(doc, kWriter);
  for (const std::string& name : RootsOf(target)) RestoreRoot(transaction, doc, target, name);
  std::string update = transaction.Commit().update;
  doc.CheckInvariantsDeep();
  return update;
}

}  // namespace

void Run(std::string_view input) {
  if (input.size() < 2) return;
  const auto [first, second] = TwoOf(input);

  Doc doc({.garbage = crdt::Garbage::kCollect});
  if (doc.Apply(first)) return;
  const std::string before = doc.EncodeStateAsUpdate();
  static_cast<void>(doc.Apply(second));
  for (const std::string& name : RootsOf(doc)) Render(input, doc, name);

  // What waits may wait for the writer.
  const bool is_free = !doc.HasPending() && doc.ClockOf(kWriter) == 0;
  Doc target = Load(before);
  if (!is_free || target.HasPending()) return;
  const std::string state = doc.EncodeStateAsUpdate();
  Doc cold = Load(state);
  CheckAlike(doc, cold, state);
  Doc reloaded = Load(before);
  static_cast<void>(reloaded.Apply(second));
  CheckAlike(doc, reloaded, state);
  const std::string update = Restore(doc, target);
  CHECK(update.empty() || !crdt::ValidateUpdate(update));
  for (const std::string& name : RootsOf(target)) CHECK(Look(doc, name) == Look(target, name));
  if (cold.EncodeStateAsUpdate() != state) return;  // Somebody used an id twice.
  CHECK(Restore(cold, target) == update);
}

}  // namespace coterie::fuzz
