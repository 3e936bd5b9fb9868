#pragma once

// Looks at the bytes of a Yjs update for people: what is wrong with it, what is in it, how it
// differs from another, and what of it can be mended. The verb is `coterie doc doctor`. Tolerates
// what the rest of the engine refuses, but only to say so. Pure functions.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/id.h"
#include "crdt/lib0.h"
#include "crdt/snapshot.h"

namespace coterie::crdt {

inline constexpr std::size_t kContentKinds = 11;

// "string", "deleted", "type", ...
std::string_view NameOfContent(std::size_t kind);

// What stock Yjs clients, or this engine, stumble over.
struct Finding {
  enum class Kind : std::uint8_t {
    kBroken,         // Cannot be read on from here; nothing mends that.
    kTrailingBytes,  // Something follows the update.
    kTwoGroups,      // Yjs would read only the last of a client's groups, and lose the others.
    kSkipFirst,      // Yjs 13 parks such a group for ever, even when the missing clocks come.
    kEmptyRange,     // Yjs throws if the deleted clock is not there yet.
  };
  Kind kind = Kind::kBroken;
  std::size_t offset_bytes = 0;
  std::string_view reason;
  Client client;  // Of kTwoGroups and kSkipFirst.
  bool is_repairable() const { return kind != Kind::kBroken; }
};

struct ClientReport {
  Client client;
  Clock begin = 0;  // Above 0: what was before is not here.
  Clock end = 0;
  std::uint64_t structs = 0;
  std::uint64_t skipped_clocks = 0;
  std::uint64_t deleted_clocks = 0;  // By the delete set; may exceed what is here.
  std::uint64_t bytes = 0;
};

struct UpdateReport {
  WireFormat format = WireFormat::kV1;
  std::vector<Finding> findings;
  bool IsBroken() const;

  // What could be read. Of a V2 update: of its V1 form.
  std::vector<ClientReport> clients;  // Ascending; of two groups of a client the sum.
  struct Kinds {
    std::uint64_t structs = 0;
    std::uint64_t bytes = 0;
  };
  std::array<Kinds, kContentKinds> kinds;
  std::map<std::string, std::uint64_t> roots;  // Name -> items that name it.
  std::uint64_t deleted_ranges = 0;
  std::uint64_t deleted_clocks = 0;
  std::uint64_t deleted_bytes = 0;
  // Of what is sound; else 0.
  std::uint64_t v1_bytes = 0;
  std::uint64_t squashed_bytes = 0;
  std::uint64_t v2_bytes = 0;
  bool has_gaps = false;  // Who applies it alone must wait for more.
};

// The format is whichever fits; V1 if none does. V2 that grows above `size_bytes_max` is broken.
UpdateReport Examine(std::string_view update, std::size_t size_bytes_max);

struct Repaired {
  std::string update;  // V1; empty if it is broken.
  UpdateReport report;
};
// Keeps all that is readable: the groups of one client are merged, skips in front are dropped, and
// so is what follows.
Repaired Repair(std::string_view update, std::size_t size_bytes_max);

// What `mine` has and `other` lacks of one client. Both are sound updates of V1.
struct MissingClocks {
  Client client;
  ClockRange clocks;
};
struct Difference {
  std::vector<MissingClocks> structs;  // Ascending by client and clock.
  DeleteSet deleted;
};
Difference Subtract(std::string_view mine, std::string_view other);

}  // namespace coterie::crdt
