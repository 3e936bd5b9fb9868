#pragma once

// A place in a document that stays where it is while others write: beside an item, or at one end of
// a type. Cursors are sent so, in the JSON form, and comments are anchored so. This is the wire
// only; what index it has now, a document says. Pure value.
// Source: yjs 13.6, src/utils/RelativePosition.js.
//
//   position := (0:varUint client:varUint clock:varUint | 1:varUint root:varString |
//                2:varUint client:varUint clock:varUint) [assoc:varInt]

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crdt/id.h"
#include "crdt/lib0.h"

namespace coterie::crdt {

struct RelativePosition {
  // Beside this one. Else at an end of the type.
  std::optional<Id> item;
  // The type, one of both: a root by its name, or the item that it is in. Bytes keep them only
  // where there is no `item`; JSON keeps all.
  std::optional<std::string> root;
  std::optional<Id> type;
  // Below 0: behind what is to the left, or at the type's begin. Else: before what is to the right,
  // or at the type's end.
  std::int64_t assoc = 0;

  friend bool operator==(const RelativePosition&, const RelativePosition&) = default;
};

// Requires an item, a root or a type.
std::string EncodeRelativePosition(const RelativePosition& position);
// On malformed bytes `position` is left as it was.
Malformed DecodeRelativePosition(std::string_view bytes, RelativePosition& position);

// {"type":{"client":1,"clock":2},"tname":"t","item":{...},"assoc":0}, what is not there left out.
std::string RelativePositionToJson(const RelativePosition& position);
Malformed RelativePositionFromJson(std::string_view json, RelativePosition& position);

}  // namespace coterie::crdt
