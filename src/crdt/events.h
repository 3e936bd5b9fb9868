#pragma once

// What a transaction did, as values: the update that repeats it elsewhere, and per changed type a
// delta (text, arrays, children of XML nodes) and the changed keys (maps, attributes). Positions
// are those before the transaction plus what the ops to their left did, as in a Quill delta.
// Pure values. Source: yjs 13.6, src/utils/YEvent.js and types/YText.js.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

// Attribute -> its value as JSON; "null" = ends. In the order in which they were set.
using Attributes = std::vector<std::pair<std::string, std::string>>;

struct DeltaOp {
  enum class Kind : std::uint8_t {
    kText,    // Inserts `text`.
    kEmbed,   // Inserts the embed whose JSON is `text`.
    kType,    // Inserts `type`, whose content it already has.
    kValues,  // Inserts `length` values; `text` is a JSON array of them. Arrays only.
    kRetain,  // Goes over `length` units and sets `attributes` on them.
    kDelete,  // Deletes `length` units.
  };
  Kind kind = Kind::kText;
  std::uint64_t length = 0;  // In UTF-16 units or elements.
  std::string text;
  TypeHandle type;
  Attributes attributes;
  friend bool operator==(const DeltaOp&, const DeltaOp&) = default;
};
using Delta = std::vector<DeltaOp>;

struct KeyChange {
  enum class Action : std::uint8_t { kAdd, kUpdate, kDelete };
  std::string key;
  Action action = Action::kAdd;
  std::string old_json;  // The value before; "" for kAdd.
  friend bool operator==(const KeyChange&, const KeyChange&) = default;
};

// A step from a type to the one in it: a key, or an index.
using PathStep = std::variant<std::string, std::uint64_t>;

struct Event {
  TypeHandle target;
  std::string root;            // The root type that the target is, or is in.
  std::vector<PathStep> path;  // From there to the target, as it is after the transaction.
  Delta delta;
  std::vector<KeyChange> keys;
};

// At `position` of the visible text, `deleted` made way for `inserted`: of the text of one root, in
// ascending order, each position one after the earlier changes. Embeds, where they are wanted, are
// counted with the letters.
struct TextChange {
  TextSize position;
  std::string deleted;
  std::string inserted;
  std::uint64_t embeds_deleted = 0;
  std::uint64_t embeds_inserted = 0;
  friend bool operator==(const TextChange&, const TextChange&) = default;
};

// What one wants to know of a transaction; each step costs more.
enum class Watch : std::uint8_t {
  kNothing,
  kUpdate,       // `update`.
  kTextChanges,  // And `text_changes` of `Outcome::watched`.
  kEvents,       // And `events`.
};

// Whether text_changes tell of embeds, and of types that take their place.
enum class Embeds : std::uint8_t { kIgnored, kTold };

struct Outcome {
  TypeHandle watched;                // In: whose text_changes are wanted.
  Embeds embeds = Embeds::kIgnored;  // In.
  std::string update;                // "" = nothing changed.
  std::vector<TextChange> text_changes;
  std::vector<Event> events;
};

}  // namespace coterie::crdt
