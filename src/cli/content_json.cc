#include "cli/content_json.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <vector>

#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/xml.h"

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

}  // namespace

absl::StatusOr<std::string> ContentAsJson(std::string_view update) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  if (const crdt::Malformed malformed = doc.Apply(update)) {
    return absl::DataLossError(absl::StrCat("the update is malformed at byte ",
                                            malformed.offset_bytes, ": ",
                                            std::string(malformed.reason)));
  }
  std::vector<crdt::Doc::TypedRoot> roots;
  for (const std::string& name : doc.root_names()) {
    roots.push_back({.name = name, .kind = KindOfRoot(doc, doc.Root(name))});
  }
  return doc.ToJson(roots);
}

}  // namespace coterie::cli
