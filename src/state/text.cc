#include "state/text.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace coterie::state {
namespace {

constexpr std::size_t kChunkBytesMax = 8'192;
constexpr std::size_t kChunkBytesFresh = 4'096;  // Of a chunk that is cut anew.

// The last code point boundary in `text` at or before `position`.
std::size_t BoundaryBefore(std::string_view text, std::size_t position) {
  while (position > 0 && position < text.size() && IsContinuationByte(text[position])) --position;
  return position;
}

// The length of the common beginning, in bytes.
std::size_t CommonPrefix(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  // Whole blocks by memcmp first, which is much faster than a loop over bytes.
  constexpr std::size_t kBlock = 256;
  std::size_t i = 0;
  while (i + kBlock <= size && std::memcmp(a.data() + i, b.data() + i, kBlock) == 0) i += kBlock;
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

std::size_t CommonSuffix(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  constexpr std::size_t kBlock = 256;
  std::size_t i = 0;
  while (i + kBlock <= size && std::memcmp(a.data() + a.size() - i - kBlock,
                                           b.data() + b.size() - i - kBlock, kBlock) == 0) {
    i += kBlock;
  }
  while (i < size && a[a.size() - 1 - i] == b[b.size() - 1 - i]) ++i;
  return i;
}

}  // namespace

Text::Text(std::string_view text) { InsertAt({}, text); }

std::string Text::ToString() const { return Slice(0, size_.bytes); }

std::string Text::Slice(std::uint64_t begin, std::uint64_t size) const {
  CHECK(begin + size <= size_.bytes);
  std::string result;
  result.reserve(size);
  Place place = PlaceOf(begin);
  while (result.size() < size) {
    const std::string_view rest = std::string_view(chunks_[place.chunk].bytes).substr(place.offset);
    result.append(rest.substr(0, size - result.size()));
    place = {.chunk = place.chunk + 1};
  }
  return result;
}

std::optional<TextSize> Text::Locate(std::uint64_t position, PositionUnit unit) const {
  if (position > size_.In(unit)) return std::nullopt;
  TextSize before;
  std::size_t i = 0;
  while (i < chunks_.size() && before.In(unit) + chunks_[i].size.In(unit) <= position) {
    before += chunks_[i].size;
    ++i;
  }
  std::uint64_t left = position - before.In(unit);
  if (left == 0) return before;
  const Chunk& chunk = chunks_[i];
  if (chunk.size.bytes == chunk.size.code_points) {  // All ASCII.
    return before + TextSize{.bytes = left, .utf16 = left, .code_points = left};
  }
  std::size_t offset = 0;
  std::uint64_t utf16 = 0;
  std::uint64_t code_points = 0;
  while (left > 0) {
    const std::uint64_t units = static_cast<unsigned char>(chunk.bytes[offset]) >= 0xf0 ? 2 : 1;
    const std::uint64_t step = unit == PositionUnit::kUtf16 ? units : 1;
    if (step > left) return std::nullopt;
    left -= step;
    utf16 += units;
    ++code_points;
    ++offset;
    while (offset < chunk.bytes.size() && IsContinuationByte(chunk.bytes[offset])) ++offset;
  }
  return before + TextSize{.bytes = offset, .utf16 = utf16, .code_points = code_points};
}

TextSize Text::LocateByte(std::uint64_t position_bytes) const {
  CHECK(position_bytes <= size_.bytes);
  if (position_bytes == size_.bytes) return size_;
  TextSize before;
  std::size_t i = 0;
  while (before.bytes + chunks_[i].size.bytes <= position_bytes) before += chunks_[i++].size;
  const std::string_view chunk = chunks_[i].bytes;
  return before + MeasureUtf8(chunk.substr(0, position_bytes - before.bytes));
}

void Text::Replace(std::uint64_t begin, std::uint64_t deleted, std::string_view inserted) {
  CHECK(begin + deleted <= size_.bytes);
  const Place place = PlaceOf(begin);
  if (deleted > 0) EraseFrom(place, deleted);
  if (!inserted.empty()) InsertAt(PlaceOf(begin), inserted);
}

bool Text::Accepts(const Change& change) const {
  return HasAt(change.position, change.deleted) && IsValidUtf8(change.inserted);
}

bool Text::AcceptsUndone(const Change& change) const {
  return HasAt(change.position, change.inserted) && IsValidUtf8(change.deleted);
}

bool Text::HasAt(const TextSize& position, std::string_view bytes) const {
  const std::uint64_t begin = position.bytes;
  if (begin > size_.bytes || bytes.size() > size_.bytes - begin) return false;
  if (begin < size_.bytes && IsContinuationByte(ByteAt(begin))) return false;
  // Whole letters, beginning with one, end before one.
  return IsValidUtf8(bytes) && LocateByte(begin) == position && Slice(begin, bytes.size()) == bytes;
}

void Text::Apply(const Change& change) {
  DCHECK(Accepts(change));
  Replace(change.position.bytes, change.deleted.size(), change.inserted);
}

void Text::Revert(const Change& change) {
  DCHECK(AcceptsUndone(change));
  Replace(change.position.bytes, change.inserted.size(), change.deleted);
}

Text::Common Text::CommonWith(std::string_view other) const {
  std::uint64_t prefix = 0;
  for (const Chunk& chunk : chunks_) {
    const std::size_t same = CommonPrefix(chunk.bytes, other.substr(prefix));
    prefix += same;
    if (same < chunk.bytes.size()) break;
  }
  const auto is_inside = [&](std::uint64_t at) {
    return (at < size_.bytes && IsContinuationByte(ByteAt(at))) ||
           (at < other.size() && IsContinuationByte(other[at]));
  };
  while (prefix > 0 && is_inside(prefix)) --prefix;

  // What the prefix has taken cannot be counted again.
  const std::string_view rest = other.substr(prefix);
  const std::uint64_t suffix_max = std::min<std::uint64_t>(rest.size(), size_.bytes - prefix);
  std::uint64_t suffix = 0;
  for (std::size_t i = chunks_.size(); i-- > 0 && suffix < suffix_max;) {
    const std::string_view chunk = chunks_[i].bytes;
    const std::size_t same = CommonSuffix(chunk, rest.substr(0, rest.size() - suffix));
    suffix += same;
    if (same < chunk.size()) break;
  }
  suffix = std::min(suffix, suffix_max);
  while (suffix > 0 && IsContinuationByte(other[other.size() - suffix])) --suffix;
  return {.prefix_bytes = prefix, .suffix_bytes = suffix};
}

Text::Place Text::PlaceOf(std::uint64_t position_bytes) const {
  CHECK(position_bytes <= size_.bytes);
  if (position_bytes == size_.bytes) return {.chunk = chunks_.size()};
  std::size_t i = 0;
  while (position_bytes >= chunks_[i].size.bytes) position_bytes -= chunks_[i++].size.bytes;
  return {.chunk = i, .offset = position_bytes};
}

char Text::ByteAt(std::uint64_t position_bytes) const {
  const Place place = PlaceOf(position_bytes);
  return chunks_[place.chunk].bytes[place.offset];
}

void Text::InsertAt(Place place, std::string_view inserted) {
  if (inserted.empty()) return;
  const TextSize added = MeasureUtf8(inserted);
  size_ += added;
  if (place.offset == 0 && place.chunk > 0) {  // Rather at the end of a chunk than before the next.
    --place.chunk;
    place.offset = chunks_[place.chunk].bytes.size();
  }
  if (place.chunk < chunks_.size()) {
    Chunk& chunk = chunks_[place.chunk];
    if (chunk.bytes.size() + inserted.size() <= kChunkBytesMax) {
      chunk.bytes.insert(place.offset, inserted);
      chunk.size += added;
      return;
    }
  }
  // Cut the chunk and what is inserted into fresh ones.
  std::string whole(inserted);
  std::size_t replaced = 0;
  if (place.chunk < chunks_.size()) {
    whole = std::move(chunks_[place.chunk].bytes);
    whole.insert(place.offset, inserted);
    replaced = 1;
  }
  std::vector<Chunk> fresh;
  std::string_view rest = whole;
  while (!rest.empty()) {
    const std::size_t size = BoundaryBefore(rest, std::min(rest.size(), kChunkBytesFresh));
    CHECK(size > 0);
    const std::string_view piece = rest.substr(0, size);
    fresh.push_back({.bytes = std::string(piece), .size = MeasureUtf8(piece)});
    rest.remove_prefix(size);
  }
  const auto at = chunks_.begin() + static_cast<std::ptrdiff_t>(place.chunk);
  const auto after = chunks_.erase(at, at + static_cast<std::ptrdiff_t>(replaced));
  chunks_.insert(after, std::make_move_iterator(fresh.begin()),
                 std::make_move_iterator(fresh.end()));
}

void Text::EraseFrom(Place place, std::uint64_t size) {
  std::size_t emptied_begin = place.chunk;
  std::size_t emptied_end = place.chunk;
  std::size_t i = place.chunk;
  std::uint64_t offset = place.offset;
  while (size > 0) {
    Chunk& chunk = chunks_[i];
    const std::uint64_t here = std::min<std::uint64_t>(size, chunk.bytes.size() - offset);
    const TextSize gone = here == chunk.bytes.size()
                              ? chunk.size
                              : MeasureUtf8(std::string_view(chunk.bytes).substr(offset, here));
    size_ -= gone;
    chunk.size -= gone;
    chunk.bytes.erase(offset, here);
    if (chunk.bytes.empty()) {
      if (emptied_begin == emptied_end) emptied_begin = i;
      emptied_end = i + 1;
    }
    size -= here;
    offset = 0;
    ++i;
  }
  chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(emptied_begin),
                chunks_.begin() + static_cast<std::ptrdiff_t>(emptied_end));
  if (place.chunk > 0) MaybeMerge(place.chunk - 1);
  MaybeMerge(place.chunk);
}

// Joins a chunk with the next if both together are still small, so that deleting leaves no crumbs.
void Text::MaybeMerge(std::size_t chunk) {
  if (chunk + 1 >= chunks_.size()) return;
  Chunk& left = chunks_[chunk];
  Chunk& right = chunks_[chunk + 1];
  if (left.bytes.size() + right.bytes.size() > kChunkBytesFresh) return;
  left.bytes.append(right.bytes);
  left.size += right.size;
  chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(chunk) + 1);
}

void Text::CheckInvariants() const {
  TextSize sum;
  for (const Chunk& chunk : chunks_) {
    CHECK(!chunk.bytes.empty());
    CHECK(chunk.bytes.size() <= kChunkBytesMax);
    CHECK(!IsContinuationByte(chunk.bytes[0]));
    CHECK(chunk.size == MeasureUtf8(chunk.bytes));
    sum += chunk.size;
  }
  CHECK(sum == size_);
}

std::optional<Change> DiffTexts(const Text& source, std::string_view target) {
  const Text::Common common = source.CommonWith(target);
  const std::uint64_t kept = common.prefix_bytes + common.suffix_bytes;
  if (kept == source.size().bytes && kept == target.size()) return std::nullopt;
  return Change{
      .position = source.LocateByte(common.prefix_bytes),
      .deleted = source.Slice(common.prefix_bytes, source.size().bytes - kept),
      .inserted = std::string(target.substr(common.prefix_bytes, target.size() - kept)),
  };
}

void TransformSplices(const Change& change, PositionUnit unit, std::vector<Splice>& splices) {
  const std::uint64_t begin = change.position.In(unit);
  const std::uint64_t deleted = MeasureUtf8(change.deleted).In(unit);
  const std::uint64_t inserted = MeasureUtf8(change.inserted).In(unit);
  // Where a place before the deletion is after it.
  const auto after_deletion = [&](std::uint64_t place) {
    if (place <= begin) return place;
    return place >= begin + deleted ? place - deleted : begin;
  };
  std::vector<Splice> split;  // Rare.
  for (std::size_t i = 0; i < splices.size(); ++i) {
    Splice& splice = splices[i];
    const std::uint64_t first = after_deletion(splice.position);
    const std::uint64_t end = after_deletion(splice.position + splice.deleted);
    const bool is_around = first < begin && begin < end && inserted > 0;
    splice.position = first >= begin ? first + inserted : first;
    splice.deleted = is_around ? begin - first : end - first;
    if (is_around) {
      // At most one splice can be around one place; the rest of it follows the insertion.
      CHECK(split.empty());
      split.push_back({.position = begin + inserted, .deleted = end - begin});
      splices.insert(splices.begin() + static_cast<std::ptrdiff_t>(i) + 1, split.front());
      ++i;
    }
  }
}

}  // namespace coterie::state
