#pragma once

// Names one type (array, map, text, XML node; root or nested) within its doc. A value; it stays
// usable after the type was deleted, and then names nothing. The views text.h, array.h, map.h and
// xml.h are made of a doc and a handle.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "crdt/update_reader.h"

namespace coterie::crdt {

struct TypeHandle {
  std::uint32_t branch = 0;      // 0 = no type at all.
  std::uint32_t generation = 0;  // Of the branch, which may be used again.
  friend bool operator==(const TypeHandle&, const TypeHandle&) = default;
};

// What can be put into an array, a map or an XML node, by one who writes.
struct NewAny {
  std::string any;  // One value as `any` (js_value.h).
};
struct NewBinary {
  std::string bytes;
};
struct NewType {
  TypeKind kind = TypeKind::kArray;
  std::string name;  // Of kXmlElement and kXmlHook alone.
};
struct NewDoc {
  std::string guid;
  std::string options_any;  // An object as `any`; "" = {}.
};
using NewContent = std::variant<NewAny, NewBinary, NewType, NewDoc>;

}  // namespace coterie::crdt
