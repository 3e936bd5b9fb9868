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
#include "crdt/state_vector.h"

namespace coterie::crdt {

inline constexpr std::size_t kContentKinds = 11;

// "string", "deleted", "type", ...
std::string_view NameOfContent(std::size_t kind);

// What stock Yjs clients, or this engine, stumble over.
struct Finding {
  enum class Kind : std::uint8_t {
    kBroken,         // Cannot be read on from here; nothing mends that.
    kMoreUpdates,    // Others follow the update: `updates` of them. Yjs would read the first alone.
    kTrailingBytes,  // Something follows that is no update.
    kTwoGroups,      // Yjs would read only the last of a client's groups, and lose the others.
    kSkipFirst,      // Yjs 13 parks such a group for ever, even when the missing clocks come.
    kEmptyRange,     // Yjs throws if the deleted clock is not there yet.
  };
  Kind kind = Kind::kBroken;
  std::size_t offset_bytes = 0;
  std::string_view reason;
  Client client;                 // Of kTwoGroups and kSkipFirst.
  std::uint64_t updates = 0;     // Of kMoreUpdates.
  std::uint64_t lost_bytes = 0;  // Of kBroken and kTrailingBytes: nobody can tell what they say.
  bool is_repairable() const { return kind != Kind::kBroken; }
};

// What a document that has nothing else does not show of an update yet.
struct Waiting {
  StateVector structs;  // Client -> the first clock that has to come, plus one, as Doc::missing().
  DeleteSet deleted;    // Deletions of what is not there.
  bool empty() const { return structs.empty() && deleted.empty(); }
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
  Waiting waiting;        // For what.
  // Why a document does not take it, although it can be read; empty if it does.
  std::string_view refused;
};

// The format is whichever fits; V1 if none does. V2 that grows above `size_bytes_max` is broken.
UpdateReport Examine(std::string_view update, std::size_t size_bytes_max);

struct Repaired {
  std::string update;  // V1; empty if it is broken.
  UpdateReport report;
};
// Keeps all that is readable: the groups of one client are merged, as are updates that follow;
// skips in front are dropped, and so is what follows that is no update.
Repaired Repair(std::string_view update, std::size_t size_bytes_max);
// The same, and of what is broken as much as can be read: structs and deletions in front of the
// fault. Nothing of a broken V2, whose structs stand in columns and end with the last one's.
Repaired Salvage(std::string_view update, std::size_t size_bytes_max);

// What of an update waits in a document that has nothing else; nothing, and why, if it is refused.
struct Wait {
  Waiting waiting;
  Malformed refused;
};
Wait WhatWaits(std::string_view v1);

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
