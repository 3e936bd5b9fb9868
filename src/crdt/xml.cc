#include "crdt/xml.h"

#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/view.h"

namespace coterie::crdt {

std::optional<TypeKind> KindOf(const Doc& doc, TypeHandle type) {
  const BranchRef branch = doc.store().Resolve(type);
  if (branch == 0 || !doc.store().BranchAt(branch).has_kind) return std::nullopt;
  return doc.store().BranchAt(branch).kind;
}

std::string NodeName(const Doc& doc, TypeHandle type) {
  const BranchRef branch = doc.store().Resolve(type);
  if (branch == 0 || !doc.store().BranchAt(branch).has_kind) return {};
  const Atom name = doc.store().BranchAt(branch).name;
  return name == 0 ? std::string() : std::string(doc.store().atoms().Text(name));
}

std::string ToXml(const Doc& doc, TypeHandle type) {
  const ItemStore& store = doc.store();
  const BranchRef branch = store.Resolve(type);
  if (branch == 0) return {};
  return TypeToString(store, branch, KindOr(store, branch, TypeKind::kXmlFragment));
}

}  // namespace coterie::crdt
