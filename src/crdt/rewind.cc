#include "crdt/rewind.h"

#include <algorithm>

#include "base/check.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// An item without all from the clock `keep` on. 0 < keep < its length.
void WriteItemUpTo(const StructView& view, Clock keep, Lib0Writer& writer) {
  CHECK(keep > 0 && keep < view.length);
  WriteItemHead(view, writer);
  if (view.content == ContentKind::kDeleted) return writer.VarUint(keep);
  if (view.content == ContentKind::kString) {
    const TextCut cut = FindUtf16(view.payload, keep);
    // Of a code point of which half goes, U+FFFD stays.
    const std::size_t whole = cut.offset_bytes - (cut.is_within_pair ? 4 : 0);
    writer.VarUint(whole + (cut.is_within_pair ? kReplacement.size() : 0));
    writer.Raw(view.payload.substr(0, whole));
    if (cut.is_within_pair) writer.Raw(kReplacement);
    return;
  }
  CHECK(view.content == ContentKind::kAny || view.content == ContentKind::kJson);
  Lib0Reader reader(view.payload);
  static_cast<void>(reader.VarUint());
  const std::size_t begin = reader.offset_bytes();
  for (Clock i = 0; i < keep; ++i) {
    static_cast<void>(view.content == ContentKind::kAny ? reader.Any() : reader.VarBytes());
  }
  CHECK(reader.ok());
  writer.VarUint(keep);
  writer.Raw(reader.Between(begin, reader.offset_bytes()));
}

// How many of the clocks from `begin` to `end` the snapshot sees. Its state has them all.
std::uint64_t CountSeen(const Snapshot& snapshot, Client client, ClockRange clocks) {
  std::uint64_t seen = clocks.end - clocks.begin;
  const DeleteSet::Ranges& deleted = snapshot.deleted.Of(client);
  auto range = std::upper_bound(
      deleted.begin(), deleted.end(), clocks.begin,
      [](Clock clock, const ClockRange& candidate) { return clock < candidate.end; });
  for (; range != deleted.end() && range->begin < clocks.end; ++range) {
    seen -= std::min(range->end, clocks.end) - std::max(range->begin, clocks.begin);
  }
  return seen;
}

bool IsForgotten(ContentKind content) {
  return content == ContentKind::kGc || content == ContentKind::kDeleted ||
         content == ContentKind::kSkip;
}

}  // namespace

Rewound RewindUpdate(std::string_view update, const Snapshot& snapshot) {
  Rewound rewound;
  StructWriter writer;
  std::uint64_t wanted = 0;
  std::uint64_t kept = 0;
  for (const auto& [client, clock] : snapshot.state.clocks()) {
    wanted += CountSeen(snapshot, client, {.begin = 0, .end = clock});
  }
  UpdateReader reader(update);
  StructView view;
  while (reader.Next(view)) {
    const Clock end = snapshot.state.At(view.id.client);
    if (view.id.clock >= end) continue;
    const Clock keep = std::min(view.length, end - view.id.clock);
    if (!IsForgotten(view.content)) {
      kept += CountSeen(snapshot, view.id.client,
                        {.begin = view.id.clock, .end = view.id.clock + keep});
    }
    Piece piece;
    piece.id = view.id;
    piece.length = keep;
    piece.content = view.content;
    const auto info = static_cast<std::uint8_t>(reader.bytes()[0]);
    piece.has_idle_bits = CanonicalInfo(info) != info;
    if (keep == view.length) piece.bytes = reader.bytes();
    if (keep == view.length || view.content == ContentKind::kGc ||
        view.content == ContentKind::kSkip) {
      writer.Write(piece);
    } else {
      writer.Count(view.id);
      WriteItemUpTo(view, keep, writer.body());
    }
  }
  Lib0Reader& rest = reader.rest();
  static_cast<void>(SkimDeleteSet(rest));
  if (rest.ok() && !rest.AtEnd()) rest.Fail(kBytesFollow);
  rewound.malformed = rest.malformed();
  if (rewound.malformed) return rewound;
  rewound.update = writer.Finish(snapshot.deleted);
  rewound.lost_clocks = wanted - kept;
  return rewound;
}

}  // namespace coterie::crdt
