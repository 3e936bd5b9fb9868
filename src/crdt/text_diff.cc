#include "crdt/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/text_pieces.h"

namespace coterie::crdt {
namespace {

// All that one comparison of two texts may do, in steps of a few nanoseconds. What is not done by
// then stays as coarse as it is. No clock: all nodes must come to the same.
constexpr std::uint64_t kStepsMax = std::uint64_t{1} << 26;
constexpr std::uint64_t kStepsPerPiece = 16;  // To cut it off and to give it a number.
// More pieces of both sides are not compared at once: that much memory.
constexpr std::size_t kPiecesMax = std::size_t{1} << 19;
// Shorter stretches, of both sides, are compared by the next grain at once.
constexpr std::size_t kChunkedBytesMin = 256 << 10;
constexpr std::size_t kFragmentedBytesMin = 16 << 10;
// The shortest edit is looked for up to so many pieces that differ, memory being the square of it,
// and so many steps for each piece.
constexpr int kEditsMax = 600;
constexpr std::uint64_t kEditStepsPerPiece = 64;
constexpr std::uint64_t kEditStepsMin = 1 << 16;
// How often stretches between pieces that are there once are divided again.
constexpr int kDivisionsMax = 16;
// A text is changed at so many places at most: each costs those who edit at the same time.
constexpr std::size_t kHunksMax = 1 << 14;

using Pieces = std::vector<std::string_view>;
using Numbers = std::span<const std::uint32_t>;
// Pieces that stay: their place in the source and in the target. Ascending.
using Kept = std::vector<std::pair<std::size_t, std::size_t>>;

// What stays, what goes and what comes, in bytes, at one place of both texts.
struct Hunk {
  std::string_view deleted;
  std::string_view inserted;
  std::size_t source_begin = 0;  // Where `deleted` stands in the source,
  std::size_t target_begin = 0;  // and `inserted` in the target.
  bool IsNothing() const { return deleted.empty() && inserted.empty(); }
};

std::size_t CommonPrefix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  const auto ends =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(limit), b.begin());
  auto same = static_cast<std::size_t>(ends.first - a.begin());
  const auto is_inside = [](std::string_view text, std::size_t at) {
    return at < text.size() && IsContinuationByte(text[at]);
  };
  while (same > 0 && (is_inside(a, same) || is_inside(b, same))) --same;
  return same;
}

std::size_t CommonSuffix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  const auto ends =
      std::mismatch(a.rbegin(), a.rbegin() + static_cast<std::ptrdiff_t>(limit), b.rbegin());
  auto same = static_cast<std::size_t>(ends.first - a.rbegin());
  while (same > 0 && IsContinuationByte(a[a.size() - same])) --same;
  return same;
}

// Numbers for pieces, equal for equal ones, below the sum of both counts.
struct NumberedPieces {
  std::vector<std::uint32_t> source;
  std::vector<std::uint32_t> target;
  std::size_t numbers_count = 0;
};

// Sorts rather than hashes, whose collisions who writes the texts could choose.
NumberedPieces NumberPieces(const Pieces& source, const Pieces& target) {
  struct Piece {
    std::string_view text;
    std::uint32_t place = 0;  // In the source, or behind it in the target.
  };
  std::vector<Piece> sorted;
  sorted.reserve(source.size() + target.size());
  for (const Pieces* side : {&source, &target}) {
    for (const std::string_view text : *side) {
      sorted.push_back({text, static_cast<std::uint32_t>(sorted.size())});
    }
  }
  std::sort(sorted.begin(), sorted.end(), [](const Piece& a, const Piece& b) {
    return a.text.size() != b.text.size() ? a.text.size() < b.text.size() : a.text < b.text;
  });
  NumberedPieces numbered{.source = std::vector<std::uint32_t>(source.size()),
                          .target = std::vector<std::uint32_t>(target.size())};
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].text != sorted[i - 1].text) ++numbered.numbers_count;
    const auto number = static_cast<std::uint32_t>(numbered.numbers_count);
    const std::size_t place = sorted[i].place;
    if (place < source.size()) {
      numbered.source[place] = number;
    } else {
      numbered.target[place - source.size()] = number;
    }
  }
  ++numbered.numbers_count;
  return numbered;
}

// The shortest way from one sequence to another. Source: Myers, figure 2.
class ShortestEdit {
 public:
  ShortestEdit(Numbers a, Numbers b) : a_(a), b_(b) {}

  // What stays; nothing if that is longer than kEditsMax or takes more steps than `steps_left`.
  std::optional<Kept> Find(std::uint64_t& steps_left) {
    const int edits_max = std::min<int>(kEditsMax, a_size() + b_size());
    std::vector<int> furthest(2 * static_cast<std::size_t>(edits_max) + 3, 0);
    const auto at = [&](int diagonal) -> int& {
      return furthest[static_cast<std::size_t>(diagonal + edits_max + 1)];
    };
    for (int edits = 0; edits <= edits_max; ++edits) {
      rounds_.emplace_back();
      rounds_.back().reserve(static_cast<std::size_t>(edits) + 1);
      for (int diagonal = -edits; diagonal <= edits; diagonal += 2) {
        const bool is_down =
            diagonal == -edits || (diagonal != edits && at(diagonal - 1) < at(diagonal + 1));
        int x = is_down ? at(diagonal + 1) : at(diagonal - 1) + 1;
        const int start = x;
        while (x < a_size() && x - diagonal < b_size() && IsSame(x, x - diagonal)) ++x;
        at(diagonal) = x;
        rounds_.back().push_back(x);
        if (x >= a_size() && x - diagonal >= b_size()) return WayBack(edits, diagonal);
        const auto steps = static_cast<std::uint64_t>(x - start) + 1;
        if (steps > steps_left) return std::nullopt;
        steps_left -= steps;
      }
    }
    return std::nullopt;
  }

 private:
  int a_size() const { return static_cast<int>(a_.size()); }
  int b_size() const { return static_cast<int>(b_.size()); }
  bool IsSame(int in_a, int in_b) const {
    return in_b >= 0 && a_[static_cast<std::size_t>(in_a)] == b_[static_cast<std::size_t>(in_b)];
  }
  // How far `diagonal` had come with that many edits.
  int Reached(int edits, int diagonal) const {
    return rounds_[static_cast<std::size_t>(edits)][static_cast<std::size_t>(diagonal + edits) / 2];
  }

  Kept WayBack(int edits, int diagonal) const {
    Kept kept;
    int x = a_size();
    const auto keep_from = [&](int start) {
      while (x > start) {
        --x;
        kept.emplace_back(x, x - diagonal);
      }
    };
    for (; edits > 0; --edits) {
      const bool is_down = diagonal == -edits ||
                           (diagonal != edits &&
                            Reached(edits - 1, diagonal - 1) < Reached(edits - 1, diagonal + 1));
      const int before = is_down ? diagonal + 1 : diagonal - 1;
      keep_from(Reached(edits - 1, before) + (is_down ? 0 : 1));
      diagonal = before;
      x = Reached(edits - 1, before);
    }
    keep_from(0);
    std::reverse(kept.begin(), kept.end());
    return kept;
  }

  Numbers a_;
  Numbers b_;
  std::vector<std::vector<int>> rounds_;  // rounds_[d]: what each diagonal reached with d edits.
};

// The longest ascending run of `targets`, as indexes of it. Source: Fredman, "On computing the
// length of longest increasing subsequences" (1975).
std::vector<std::size_t> LongestAscent(const std::vector<std::size_t>& targets) {
  std::vector<std::size_t> ends;  // ends[n]: where a run of n + 1 ends, with the least target.
  std::vector<std::size_t> before(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto place = std::lower_bound(
        ends.begin(), ends.end(), targets[i],
        [&](std::size_t end, std::size_t target) { return targets[end] < target; });
    if (place != ends.begin()) before[i] = *(place - 1);
    if (place == ends.end()) {
      ends.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<std::size_t> ascent(ends.size());
  for (std::size_t n = ends.size(); n > 0; --n) {
    ascent[n - 1] = n == ends.size() ? ends.back() : before[ascent[n]];
  }
  return ascent;
}

// Finds what stays of one sequence of pieces in another: by the shortest edit where that is short,
// and where it is not, by what is there only once, and what is between that in its turn. Source of
// that: Cohen's patience diff.
class Matching {
 public:
  Matching(const NumberedPieces& pieces, std::uint64_t& steps_left)
      : pieces_(pieces), steps_left_(steps_left), places_(pieces.numbers_count) {}

  Kept Find() {
    Compare({.a_end = pieces_.source.size(), .b_end = pieces_.target.size()}, 0);
    return std::move(kept_);
  }

 private:
  struct Range {
    std::size_t a_begin = 0;
    std::size_t a_end = 0;
    std::size_t b_begin = 0;
    std::size_t b_end = 0;
    std::size_t size() const { return a_end - a_begin + b_end - b_begin; }
  };
  // How often a number is in the range of each side, and where last.
  struct Places {
    std::uint32_t in_source = 0;
    std::uint32_t in_target = 0;
    std::uint32_t target_place = 0;
  };

  bool MaySpend(std::uint64_t steps) {
    if (steps > steps_left_) return false;
    steps_left_ -= steps;
    return true;
  }

  void Compare(Range range, int divisions) {
    if (!MaySpend(range.size())) return;
    const auto is_same = [this](std::size_t in_a, std::size_t in_b) {
      return pieces_.source[in_a] == pieces_.target[in_b];
    };
    while (range.a_begin < range.a_end && range.b_begin < range.b_end &&
           is_same(range.a_begin, range.b_begin)) {
      kept_.emplace_back(range.a_begin++, range.b_begin++);
    }
    std::size_t suffix = 0;
    while (range.a_begin < range.a_end && range.b_begin < range.b_end &&
           is_same(range.a_end - 1, range.b_end - 1)) {
      --range.a_end;
      --range.b_end;
      ++suffix;
    }
    if (range.a_begin < range.a_end && range.b_begin < range.b_end && !MaybeEdit(range)) {
      Divide(range, divisions);
    }
    for (std::size_t i = 0; i < suffix; ++i) {
      kept_.emplace_back(range.a_end + i, range.b_end + i);
    }
  }

  bool MaybeEdit(const Range& range) {
    const std::uint64_t allowed =
        std::min(steps_left_, kEditStepsMin + kEditStepsPerPiece * range.size());
    std::uint64_t left = allowed;
    const std::optional<Kept> kept =
        ShortestEdit(Numbers(pieces_.source).subspan(range.a_begin, range.a_end - range.a_begin),
                     Numbers(pieces_.target).subspan(range.b_begin, range.b_end - range.b_begin))
            .Find(left);
    steps_left_ -= allowed - left;
    if (!kept) return false;
    for (const auto& [a, b] : *kept) kept_.emplace_back(range.a_begin + a, range.b_begin + b);
    return true;
  }

  void Divide(const Range& range, int divisions) {
    if (divisions == kDivisionsMax || !MaySpend(kStepsPerPiece * range.size())) return;
    Range between = range;
    for (const auto& [a, b] : FindAnchors(range)) {
      between.a_end = a;
      between.b_end = b;
      Compare(between, divisions + 1);
      kept_.emplace_back(a, b);
      between.a_begin = a + 1;
      between.b_begin = b + 1;
    }
    if (between.a_begin == range.a_begin && between.b_begin == range.b_begin) return;
    between.a_end = range.a_end;
    between.b_end = range.b_end;
    Compare(between, divisions + 1);
  }

  // What is there once on both sides of the range, as far as it has the same order.
  Kept FindAnchors(const Range& range) {
    for (std::size_t i = range.a_begin; i < range.a_end; ++i) places_[pieces_.source[i]] = {};
    for (std::size_t i = range.b_begin; i < range.b_end; ++i) places_[pieces_.target[i]] = {};
    for (std::size_t i = range.a_begin; i < range.a_end; ++i) {
      ++places_[pieces_.source[i]].in_source;
    }
    for (std::size_t i = range.b_begin; i < range.b_end; ++i) {
      Places& places = places_[pieces_.target[i]];
      ++places.in_target;
      places.target_place = static_cast<std::uint32_t>(i);
    }
    Kept once;
    std::vector<std::size_t> targets;
    for (std::size_t i = range.a_begin; i < range.a_end; ++i) {
      const Places& places = places_[pieces_.source[i]];
      if (places.in_source != 1 || places.in_target != 1) continue;
      once.emplace_back(i, places.target_place);
      targets.push_back(places.target_place);
    }
    Kept anchors;
    for (const std::size_t i : LongestAscent(targets)) anchors.push_back(once[i]);
    return anchors;
  }

  const NumberedPieces& pieces_;
  std::uint64_t& steps_left_;
  std::vector<Places> places_;  // By number.
  Kept kept_;
};

// Without what both sides begin or end with.
Hunk Trimmed(Hunk hunk) {
  const std::size_t prefix = CommonPrefix(hunk.deleted, hunk.inserted);
  hunk.deleted.remove_prefix(prefix);
  hunk.inserted.remove_prefix(prefix);
  hunk.source_begin += prefix;
  hunk.target_begin += prefix;
  const std::size_t suffix = CommonSuffix(hunk.deleted, hunk.inserted);
  hunk.deleted.remove_suffix(suffix);
  hunk.inserted.remove_suffix(suffix);
  return hunk;
}

void AddTrimmed(const Hunk& hunk, std::vector<Hunk>& hunks) {
  const Hunk trimmed = Trimmed(hunk);
  if (!trimmed.IsNothing()) hunks.push_back(trimmed);
}

// What of a hunk lies between pieces that stay, as hunks of their own.
void AddBetween(const Hunk& whole, const Pieces& source, const Pieces& target, Kept kept,
                std::vector<Hunk>& hunks) {
  kept.emplace_back(source.size(), target.size());  // The end.
  Hunk hunk{.source_begin = whole.source_begin, .target_begin = whole.target_begin};
  std::size_t in_source = 0;
  std::size_t in_target = 0;
  for (const auto& [kept_source, kept_target] : kept) {
    std::size_t deleted = 0;  // Bytes.
    std::size_t inserted = 0;
    while (in_source < kept_source) deleted += source[in_source++].size();
    while (in_target < kept_target) inserted += target[in_target++].size();
    hunk.deleted = whole.deleted.substr(hunk.source_begin - whole.source_begin, deleted);
    hunk.inserted = whole.inserted.substr(hunk.target_begin - whole.target_begin, inserted);
    AddTrimmed(hunk, hunks);
    if (in_source == source.size()) break;
    hunk.source_begin += deleted + source[in_source++].size();
    hunk.target_begin += inserted + target[in_target++].size();
  }
}

// The parts of a hunk that differ, as pieces of that grain are compared; the hunk itself where that
// is not worth it, or too much.
void Refine(const Hunk& hunk, Grain grain, std::uint64_t& steps_left, std::vector<Hunk>& hunks) {
  const bool is_replacement = !hunk.deleted.empty() && !hunk.inserted.empty();
  const std::size_t bytes = hunk.deleted.size() + hunk.inserted.size();
  const bool is_short = (grain == Grain::kChunks && bytes < kChunkedBytesMin) ||
                        (grain == Grain::kFragments && bytes < kFragmentedBytesMin);
  if (!is_replacement || is_short) return hunks.push_back(hunk);
  const auto pieces_max =
      static_cast<std::size_t>(std::min<std::uint64_t>(kPiecesMax, steps_left / kStepsPerPiece));
  const std::optional<Pieces> source = PiecesOf(hunk.deleted, grain, pieces_max);
  if (!source) return hunks.push_back(hunk);
  const std::optional<Pieces> target = PiecesOf(hunk.inserted, grain, pieces_max - source->size());
  if (!target) return hunks.push_back(hunk);
  steps_left -= kStepsPerPiece * (source->size() + target->size());
  const NumberedPieces numbered = NumberPieces(*source, *target);
  AddBetween(hunk, *source, *target, Matching(numbered, steps_left).Find(), hunks);
}

std::size_t EndOf(const Hunk& hunk) { return hunk.source_begin + hunk.deleted.size(); }

// Joins those with the least between them until there are few enough.
void JoinToLimit(std::string_view source, std::string_view target, std::vector<Hunk>& hunks) {
  if (hunks.size() <= kHunksMax) return;
  std::vector<std::pair<std::size_t, std::size_t>> gaps;  // How long, and before which hunk.
  for (std::size_t i = 1; i < hunks.size(); ++i) {
    gaps.emplace_back(hunks[i].source_begin - EndOf(hunks[i - 1]), i);
  }
  const auto kept = gaps.begin() + (kHunksMax - 1);
  std::nth_element(gaps.begin(), kept, gaps.end(), std::greater<>());
  std::vector<bool> is_joined(hunks.size());
  for (auto gap = kept; gap != gaps.end(); ++gap) is_joined[gap->second] = true;
  std::vector<Hunk> joined;
  for (std::size_t i = 0; i < hunks.size(); ++i) {
    if (!is_joined[i]) {
      joined.push_back(hunks[i]);
      continue;
    }
    Hunk& last = joined.back();
    last.deleted = source.substr(last.source_begin, EndOf(hunks[i]) - last.source_begin);
    const std::size_t target_end = hunks[i].target_begin + hunks[i].inserted.size();
    last.inserted = target.substr(last.target_begin, target_end - last.target_begin);
  }
  hunks = std::move(joined);
}

std::vector<Hunk> Compare(std::string_view source, std::string_view target) {
  std::uint64_t steps_left = kStepsMax;
  std::vector<Hunk> hunks;
  AddTrimmed({.deleted = source, .inserted = target}, hunks);
  // Grain by grain, so that what is left when the steps are used up is alike everywhere.
  using enum Grain;
  for (const Grain grain : {kChunks, kLines, kFragments, kWords}) {
    std::vector<Hunk> finer;
    for (const Hunk& hunk : hunks) Refine(hunk, grain, steps_left, finer);
    hunks = std::move(finer);
  }
  JoinToLimit(source, target, hunks);
  return hunks;
}

}  // namespace

std::vector<TextChange> DiffTexts(std::string_view source, std::string_view target) {
  const std::vector<Hunk> hunks = Compare(source, target);
  std::vector<TextChange> changes;
  changes.reserve(hunks.size());
  TextSize place;                // In the text that the changes so far have left,
  std::size_t source_begin = 0;  // and the same place in the source.
  for (const Hunk& hunk : hunks) {
    CHECK(hunk.source_begin >= source_begin);
    place += MeasureUtf8(source.substr(source_begin, hunk.source_begin - source_begin));
    changes.push_back({.position = place,
                       .deleted = std::string(hunk.deleted),
                       .inserted = std::string(hunk.inserted)});
    place += MeasureUtf8(hunk.inserted);
    source_begin = hunk.source_begin + hunk.deleted.size();
  }
  return changes;
}

}  // namespace coterie::crdt
