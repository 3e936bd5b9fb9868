#include "crdt/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/check.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

// More differing tokens than this are not looked for: memory is the square of it.
constexpr int kEditsMax = 600;
// Hunks of lines up to this many bytes on both sides are compared by words.
constexpr std::size_t kWordsBytesMax = 64 << 10;

enum class Grain : std::uint8_t { kLines, kWords };

// What stays, what goes and what comes, in bytes, at one place of both texts.
struct Hunk {
  std::string_view deleted;
  std::string_view inserted;
  std::size_t source_begin = 0;  // Where `deleted` stands in the source.
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

bool IsOfWord(char byte) {
  const auto c = static_cast<unsigned char>(byte);
  return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::vector<std::string_view> Tokens(std::string_view text, Grain grain) {
  std::vector<std::string_view> tokens;
  while (!text.empty()) {
    std::size_t size = 1;
    if (grain == Grain::kLines) {
      const std::size_t newline = text.find('\n');
      size = newline == std::string_view::npos ? text.size() : newline + 1;
    } else if (IsOfWord(text[0])) {
      while (size < text.size() && IsOfWord(text[size])) ++size;
    }
    tokens.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return tokens;
}

// The pairs (in a, in b) of tokens that stay, ascending; empty as well when there are too many
// edits between the two.
class Matching {
 public:
  Matching(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
    std::unordered_map<std::string_view, int> numbers;
    const auto number = [&numbers](std::string_view token) {
      return numbers.emplace(token, static_cast<int>(numbers.size())).first->second;
    };
    for (const std::string_view token : a) a_.push_back(number(token));
    for (const std::string_view token : b) b_.push_back(number(token));
  }

  std::vector<std::pair<int, int>> Find() {
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
        while (x < a_size() && x - diagonal < b_size() && IsSame(x, x - diagonal)) ++x;
        at(diagonal) = x;
        rounds_.back().push_back(x);
        if (x >= a_size() && x - diagonal >= b_size()) return WayBack(edits, diagonal);
      }
    }
    return {};
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

  std::vector<std::pair<int, int>> WayBack(int edits, int diagonal) const {
    std::vector<std::pair<int, int>> pairs;
    int x = a_size();
    for (; edits > 0; --edits) {
      const bool is_down = diagonal == -edits ||
                           (diagonal != edits &&
                            Reached(edits - 1, diagonal - 1) < Reached(edits - 1, diagonal + 1));
      const int before = is_down ? diagonal + 1 : diagonal - 1;
      const int start = Reached(edits - 1, before) + (is_down ? 0 : 1);
      while (x > start) {
        --x;
        pairs.emplace_back(x, x - diagonal);
      }
      diagonal = before;
      x = Reached(edits - 1, before);
    }
    while (x > 0) {
      --x;
      pairs.emplace_back(x, x);
    }
    std::reverse(pairs.begin(), pairs.end());
    return pairs;
  }

  std::vector<int> a_;
  std::vector<int> b_;
  std::vector<std::vector<int>> rounds_;  // rounds_[d]: what each diagonal reached with d edits.
};

// Cuts what both sides begin or end with off a hunk.
Hunk Trimmed(Hunk hunk) {
  const std::size_t prefix = CommonPrefix(hunk.deleted, hunk.inserted);
  hunk.deleted.remove_prefix(prefix);
  hunk.inserted.remove_prefix(prefix);
  hunk.source_begin += prefix;
  const std::size_t suffix = CommonSuffix(hunk.deleted, hunk.inserted);
  hunk.deleted.remove_suffix(suffix);
  hunk.inserted.remove_suffix(suffix);
  return hunk;
}

void Refine(Hunk hunk, Grain grain, std::vector<Hunk>& hunks);

// What lies between the kept tokens of a hunk becomes hunks of its own.
void Split(const Hunk& whole, Grain grain, std::vector<Hunk>& hunks) {
  const std::vector<std::string_view> a = Tokens(whole.deleted, grain);
  const std::vector<std::string_view> b = Tokens(whole.inserted, grain);
  std::vector<std::pair<int, int>> kept = Matching(a, b).Find();
  kept.emplace_back(static_cast<int>(a.size()), static_cast<int>(b.size()));  // The end.
  std::size_t a_begin = 0;  // In bytes of the two sides.
  std::size_t b_begin = 0;
  std::size_t a_token = 0;
  std::size_t b_token = 0;
  for (const auto& [kept_a, kept_b] : kept) {
    std::size_t a_end = a_begin;
    std::size_t b_end = b_begin;
    while (a_token < static_cast<std::size_t>(kept_a)) a_end += a[a_token++].size();
    while (b_token < static_cast<std::size_t>(kept_b)) b_end += b[b_token++].size();
    const Hunk between{.deleted = whole.deleted.substr(a_begin, a_end - a_begin),
                       .inserted = whole.inserted.substr(b_begin, b_end - b_begin),
                       .source_begin = whole.source_begin + a_begin};
    if (grain == Grain::kLines) {
      Refine(between, Grain::kWords, hunks);
    } else if (const Hunk hunk = Trimmed(between);
               !hunk.deleted.empty() || !hunk.inserted.empty()) {
      hunks.push_back(hunk);
    }
    if (a_token == a.size() && b_token == b.size()) return;
    a_begin = a_end + a[a_token++].size();
    b_begin = b_end + b[b_token++].size();
  }
}

void Refine(Hunk hunk, Grain grain, std::vector<Hunk>& hunks) {
  hunk = Trimmed(hunk);
  if (hunk.deleted.empty() && hunk.inserted.empty()) return;
  const bool is_replacement = !hunk.deleted.empty() && !hunk.inserted.empty();
  const bool is_small = hunk.deleted.size() + hunk.inserted.size() <= kWordsBytesMax;
  if (!is_replacement || (grain == Grain::kWords && !is_small)) {
    hunks.push_back(hunk);
    return;
  }
  Split(hunk, grain, hunks);
}

}  // namespace

std::vector<TextChange> DiffTexts(std::string_view source, std::string_view target) {
  std::vector<Hunk> hunks;
  Refine({.deleted = source, .inserted = target}, Grain::kLines, hunks);
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
