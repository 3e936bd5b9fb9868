#pragma once

// The content of one document while it is plain text: UTF-8 in chunks, so that finding a position
// and changing a few bytes cost little in a text of 64 MiB. This, Change, DiffTexts and
// TransformSplices are all that the rest of the machine knows of what a text is; a CRDT can take
// their place. Not here: storage (texts.cc), rights, limits. One owner.
//
// Invariants: every chunk is non-empty, at most kChunkBytesMax long, and begins and ends between
// code points; size() is the sum of the chunks' sizes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/command.h"
#include "base/utf8.h"

namespace coterie::state {

// At `position`, `deleted` made way for `inserted`. Undone by swapping the two.
struct Change {
  TextSize position;
  std::string deleted;
  std::string inserted;
};

class Text {
 public:
  Text() = default;
  // Requires valid UTF-8.
  explicit Text(std::string_view text);

  const TextSize& size() const { return size_; }
  std::string ToString() const;
  // The bytes [begin, begin + size). Requires that they are there.
  std::string Slice(std::uint64_t begin, std::uint64_t size) const;

  // The place `position` units from the start. Empty when it is past the end or, counted in UTF-16,
  // within a surrogate pair.
  std::optional<TextSize> Locate(std::uint64_t position, PositionUnit unit) const;
  // The place `position_bytes` from the start. Requires that a code point begins or the text ends
  // there.
  TextSize LocateByte(std::uint64_t position_bytes) const;

  // Replaces [begin, begin + deleted) by `inserted`. Requires code point boundaries.
  void Replace(std::uint64_t begin, std::uint64_t deleted, std::string_view inserted);
  // Whether `change` fits: the text has its deleted letters at its position. For what storage
  // holds.
  bool Accepts(const Change& change) const;
  void Apply(const Change& change);  // Requires Accepts().
  // The same for undoing it.
  bool AcceptsUndone(const Change& change) const;
  void Revert(const Change& change);  // Requires AcceptsUndone().

  // Lengths of the longest common beginning, and of the longest common end of what is left, both
  // cut back to code point boundaries.
  struct Common {
    std::uint64_t prefix_bytes = 0;
    std::uint64_t suffix_bytes = 0;
  };
  Common CommonWith(std::string_view other) const;

  void CheckInvariants() const;

 private:
  struct Chunk {
    std::string bytes;
    TextSize size;
  };
  struct Place {
    std::size_t chunk = 0;     // chunks_.size() at the end of the text.
    std::uint64_t offset = 0;  // Within that chunk, in bytes.
  };

  Place PlaceOf(std::uint64_t position_bytes) const;
  void InsertAt(Place place, std::string_view inserted);
  void EraseFrom(Place place, std::uint64_t size);
  void MaybeMerge(std::size_t chunk);
  char ByteAt(std::uint64_t position_bytes) const;
  bool HasAt(const TextSize& position, std::string_view bytes) const;

  std::vector<Chunk> chunks_;
  TextSize size_;
};

// The one change, on code point boundaries, that turns `source` into `target`, as short as a common
// prefix and suffix make it. Empty when they are equal.
std::optional<Change> DiffTexts(const Text& source, std::string_view target);

// Moves splices, whose positions mean the text before `change`, to mean the text after it. What the
// change deleted is not deleted again; what it inserted is not deleted: a splice around it falls
// into two. At the same position the earlier change stays to the left. Requires ascending,
// non-overlapping splices, and keeps them so.
void TransformSplices(const Change& change, PositionUnit unit, std::vector<Splice>& splices);

}  // namespace coterie::state
