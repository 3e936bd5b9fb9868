#pragma once

// XML types of a doc: an element or fragment has children (array.h), an element attributes too
// (map.h); an XmlText is a text (text.h). Here is what only XML has. One owner with its doc.
// Source: yjs 13.6, src/types/YXml*.js.

#include <optional>
#include <string>

#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;

// What kind of type it is; empty for a root, which has none.
std::optional<TypeKind> KindOf(const Doc& doc, TypeHandle type);
// Of an element or hook; else "".
std::string NodeName(const Doc& doc, TypeHandle type);
// As toString() of Yjs: of a root as that of a fragment.
std::string ToXml(const Doc& doc, TypeHandle type);

}  // namespace coterie::crdt
