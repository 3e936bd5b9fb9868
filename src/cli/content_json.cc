#include "cli/content_json.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "cli/explain.h"
#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/js_value.h"
#include "crdt/json.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/view_budget.h"
#include "crdt/xml.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

bool IsXml(crdt::Doc& doc, crdt::TypeHandle root) {
  const std::optional<crdt::TypeHandle> first = crdt::Array(doc, root).GetType(0);
  if (!first) return false;
  const std::optional<crdt::TypeKind> kind = crdt::KindOf(doc, *first);
  return kind && *kind >= crdt::TypeKind::kXmlElement;
}

crdt::TypeKind KindOfRoot(crdt::Doc& doc, crdt::TypeHandle root) {
  const crdt::Text text(doc, root);
  if (text.size().bytes > 0) return crdt::TypeKind::kText;
  if (IsXml(doc, root)) return crdt::TypeKind::kXmlFragment;
  if (text.length() > 0) return crdt::TypeKind::kArray;
  return crdt::Map(doc, root).keys().empty() ? crdt::TypeKind::kText : crdt::TypeKind::kMap;
}

using Kind = crdt::JsValue::Kind;

// What a document may come to as JSON, and what of it is in memory meanwhile.
constexpr std::uint64_t kJsonBytesMax = std::uint64_t{1} << 30;

// Fills new types with what JSON says. Recursive: CheckJson() bounds the depth.
class JsonContent {
 public:
  JsonContent(crdt::Doc& doc, crdt::Transaction& transaction)
      : doc_(doc), transaction_(transaction) {}

  void FillArray(crdt::TypeHandle array, const std::vector<crdt::JsValue>& items) {
    std::vector<crdt::NewContent> contents;
    contents.reserve(items.size());
    for (const crdt::JsValue& item : items) contents.push_back(ContentOf(item));
    const std::vector<crdt::TypeHandle> made =
        crdt::Array(doc_, array).Push(transaction_, contents);
    auto type = made.begin();
    for (const crdt::JsValue& item : items) {
      if (IsType(item)) Fill(*type++, item);
    }
  }
  void FillMap(crdt::TypeHandle map, const std::vector<crdt::JsMember>& members) {
    for (const crdt::JsMember& member : members) {
      const crdt::TypeHandle type = crdt::Map(doc_, map).Set(
          transaction_, crdt::ToUtf8(member.first), ContentOf(member.second));
      if (IsType(member.second)) Fill(type, member.second);
    }
  }
  void Fill(crdt::TypeHandle type, const crdt::JsValue& value) {
    value.kind == Kind::kArray ? FillArray(type, value.items) : FillMap(type, value.members);
  }

 private:
  static bool IsType(const crdt::JsValue& value) {
    return value.kind == Kind::kArray || value.kind == Kind::kObject;
  }
  static crdt::NewContent ContentOf(const crdt::JsValue& value) {
    if (value.kind == Kind::kArray) return crdt::NewType{.kind = crdt::TypeKind::kArray};
    if (value.kind == Kind::kObject) return crdt::NewType{.kind = crdt::TypeKind::kMap};
    crdt::Lib0Writer any;
    crdt::WriteAny(value, any);
    return crdt::NewAny{.any = any.Take()};
  }

  crdt::Doc& doc_;
  crdt::Transaction& transaction_;
};

bool IsRoot(const crdt::JsValue& value) {
  return value.kind == Kind::kString || value.kind == Kind::kArray || value.kind == Kind::kObject;
}

// As JavaScript reads 1e400; it would be written as null. Recursive: CheckJson() bounds the depth.
bool HasInfinity(const crdt::JsValue& value) {
  if (value.kind == Kind::kNumber) return !std::isfinite(value.number);
  return std::any_of(value.items.begin(), value.items.end(), HasInfinity) ||
         std::any_of(value.members.begin(), value.members.end(),
                     [](const crdt::JsMember& member) { return HasInfinity(member.second); });
}

absl::Status NotJson(std::string_view what, std::size_t offset) {
  return Error(absl::StatusCode::kInvalidArgument,
               absl::StrCat("this is no JSON that can be imported: ", std::string(what),
                            offset > 0 ? absl::StrCat(", at byte ", offset) : ""),
               R"(it must be an object of roots, for example {"text":"hello","tasks":["one"]})");
}

absl::Status Load(crdt::Doc& doc, std::string_view update) {
  const crdt::Malformed malformed = doc.Apply(update);
  if (!malformed) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the update is malformed at byte ",
                                          malformed.offset_bytes, ": ",
                                          std::string(malformed.reason)));
}

}  // namespace

absl::StatusOr<ImportedJson> ContentFromJson(std::string_view json, std::uint64_t client) {
  if (!IsValidUtf8(json)) return NotJson("it is no UTF-8", 0);
  if (const crdt::Malformed wrong = crdt::CheckJson(json)) {
    return NotJson(wrong.reason, wrong.offset_bytes);
  }
  const crdt::JsValue value = crdt::ParseJson(json);
  if (value.kind != Kind::kObject) return NotJson("not an object", 0);
  if (HasInfinity(value)) return NotJson("a number is too large", 0);
  ImportedJson imported;
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  crdt::Transaction transaction(doc, crdt::Client(client));
  JsonContent content(doc, transaction);
  for (const auto& [name, root] : value.members) {
    const bool is_empty = root.text.empty() && root.items.empty() && root.members.empty();
    if (is_empty && IsRoot(root)) imported.left_out.push_back(crdt::ToUtf8(name));
    if (root.kind == Kind::kString) {
      crdt::Text(doc, doc.Root(crdt::ToUtf8(name))).Insert(transaction, 0, crdt::ToUtf8(root.text));
    } else if (IsRoot(root)) {
      content.Fill(doc.Root(crdt::ToUtf8(name)), root);
    } else {
      return NotJson(absl::StrCat("the root \"", name, "\" is no string, array or object"), 0);
    }
  }
  imported.update = transaction.Commit().update;
  return imported;
}

absl::StatusOr<std::vector<std::string>> RootsOf(std::string_view update) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  RETURN_IF_ERROR(Load(doc, update));
  return doc.root_names();
}

absl::StatusOr<std::string> ContentAsJson(std::string_view update) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  RETURN_IF_ERROR(Load(doc, update));
  std::vector<crdt::Doc::TypedRoot> roots;
  for (const std::string& name : doc.root_names()) {
    roots.push_back({.name = name, .kind = KindOfRoot(doc, doc.Root(name))});
  }
  crdt::ViewBudget budget(kJsonBytesMax);
  std::string json = doc.ToJson(roots, budget);
  if (budget.is_spent()) {
    return Error(absl::StatusCode::kResourceExhausted,
                 "the document is too large to be written as JSON",
                 "leave out --as json, and read the update with Yjs");
  }
  return json;
}

}  // namespace coterie::cli
