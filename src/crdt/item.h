#pragma once

// The records that a hot document consists of, and the handles between them. Handles are 32-bit
// numbers into arenas of the ItemStore; 0 is none. Nothing here has behaviour of its own.
// Source: yjs 13.6, src/structs/Item.js, for what an item knows.
//
//   Branch     a type: root, or the content of an item
//     Sequence   its children, as a list of items; and one more for each key that it ever had,
//                whose last item holds the key's value
//       Item       a piece of content with its place: links, origins, content

#include <cstdint>
#include <limits>

#include "crdt/id.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

using ItemRef = std::uint32_t;
using BranchRef = std::uint32_t;
using SequenceRef = std::uint32_t;
using LeafRef = std::uint32_t;      // Of the order index.
using Atom = std::uint32_t;         // An interned string (atoms.h).
using ClientIndex = std::uint32_t;  // Dense, in the order in which clients became known.

inline constexpr ClientIndex kNoClient = std::numeric_limits<ClientIndex>::max();
// An item has 24 bits for it.
inline constexpr ClientIndex kClientsMax = (1u << 24) - 1;

// An id with the client by index. Client kNoClient = none.
struct LocalId {
  ClientIndex client = kNoClient;
  Clock clock = 0;
  bool IsNone() const { return client == kNoClient; }
  friend bool operator==(const LocalId&, const LocalId&) = default;
};

// 48 bytes. Also a struct of kind kGc, which has clock, length and client alone.
struct Item {
  Clock clock = 0;
  Clock length = 0;
  ClientIndex client : 24 = 0;
  std::uint32_t kind_bits : 4 = 0;
  bool is_deleted : 1 = false;
  bool is_kept : 1 = false;  // Undo needs it: no garbage.
  bool is_wide : 1 = false;  // `content` is an extent; else a kString's is an address.
  bool is_redone : 1 = false;
  ItemRef left = 0;
  ItemRef right = 0;
  LocalId origin{};
  LocalId right_origin{};
  SequenceRef sequence = 0;
  // kString: an address of the slab, or an extent; kType: a branch; kDeleted, kGc: nothing; else an
  // extent.
  std::uint32_t content = 0;
  LeafRef leaf = 0;  // Where the order index has it, if it has.

  ContentKind kind() const { return static_cast<ContentKind>(kind_bits); }
  void set_kind(ContentKind kind) { kind_bits = static_cast<std::uint32_t>(kind) & 0xf; }
  void set_client(ClientIndex index) { client = index & 0xff'ffff; }
  LocalId id() const { return {.client = client, .clock = clock}; }
  LocalId last_id() const { return {.client = client, .clock = clock + length - 1}; }
  Clock end() const { return clock + length; }
  bool IsGc() const { return kind() == ContentKind::kGc; }
  // Whether it has a part in the length of its list, while it is not deleted.
  bool IsCountable() const {
    return kind() != ContentKind::kFormat && kind() != ContentKind::kDeleted &&
           kind() != ContentKind::kGc;
  }
  bool IsVisible() const { return !is_deleted && IsCountable(); }
};
static_assert(sizeof(Item) == 48);

struct Sequence {
  BranchRef branch = 0;
  Atom key = 0;  // 0 = the children.
  ItemRef head = 0;
  ItemRef tail = 0;
  SequenceRef next_key = 0;  // The branch's next key, in the order of first mention.
};

struct Branch {
  ItemRef item = 0;  // Whose content it is; 0 = a root.
  std::uint32_t generation = 1;
  Atom name = 0;                  // Of the root, or the node name of an element or hook.
  std::uint32_t items_count = 0;  // Of the children.
  TypeKind kind = TypeKind::kArray;
  bool is_root = false;
  bool has_kind = false;          // A root has none.
  std::uint32_t marks_count = 0;  // Formatting marks that ever came among the children.
  SequenceRef children = 0;       // 0 = never had any.
  SequenceRef first_key = 0;
  SequenceRef last_key = 0;
  std::uint32_t index_root = 0;  // Of the order index; 0 = not built.
  std::uint64_t length = 0;      // Of what is visible, in units.
  // The item around which edits happen, and how many units are left of it. 0 = none.
  ItemRef cached_item = 0;
  std::uint64_t cached_start = 0;

  bool has_formats() const { return marks_count > 0; }
};

}  // namespace coterie::crdt
