#include "crdt/list_diff.h"

#include <algorithm>
#include <limits>

namespace coterie::crdt {
namespace {

using List = std::vector<std::uint32_t>;

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

// The elements that are there exactly once, with their places; by element.
std::vector<std::pair<std::uint32_t, std::size_t>> OnceIn(const List& list) {
  std::vector<std::pair<std::uint32_t, std::size_t>> places;
  places.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) places.emplace_back(list[i], i);
  std::sort(places.begin(), places.end());
  std::vector<std::pair<std::uint32_t, std::size_t>> once;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool is_first = i == 0 || places[i - 1].first != places[i].first;
    const bool is_last = i + 1 == places.size() || places[i + 1].first != places[i].first;
    if (is_first && is_last) once.push_back(places[i]);
  }
  return once;
}

// What both lists have once; ascending in the source.
std::vector<ListMatch> OnceInBoth(const List& source, const List& target) {
  const auto a = OnceIn(source);
  const auto b = OnceIn(target);
  std::vector<ListMatch> both;
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (x->first == y->first) both.push_back({.source = x->second, .target = y->second});
    const bool goes_on_in_a = x->first <= y->first;
    const bool goes_on_in_b = y->first <= x->first;
    if (goes_on_in_a) ++x;
    if (goes_on_in_b) ++y;
  }
  std::sort(both.begin(), both.end(),
            [](const ListMatch& x, const ListMatch& y) { return x.source < y.source; });
  return both;
}

// The most of them that ascend in the target as well.
std::vector<ListMatch> LongestAscending(const std::vector<ListMatch>& matches) {
  std::vector<std::size_t> lasts;  // lasts[k]: of rows of k + 1, the one that ends lowest.
  std::vector<std::size_t> before(matches.size(), kNowhere);
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const auto place = std::lower_bound(
        lasts.begin(), lasts.end(), matches[i].target,
        [&matches](std::size_t last, std::size_t target) { return matches[last].target < target; });
    if (place != lasts.begin()) before[i] = *(place - 1);
    if (place == lasts.end()) {
      lasts.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<ListMatch> row;
  std::size_t at = lasts.empty() ? kNowhere : lasts.back();
  for (; at != kNowhere; at = before[at]) row.push_back(matches[at]);
  std::reverse(row.begin(), row.end());
  return row;
}

// Appends what the parts between two matches begin and end with in common.
void MatchEnds(const List& source, const List& target, ListMatch begin, ListMatch end,
               std::vector<ListMatch>& matches) {
  while (begin.source < end.source && begin.target < end.target &&
         source[begin.source] == target[begin.target]) {
    matches.push_back(begin);
    ++begin.source;
    ++begin.target;
  }
  std::size_t common = 0;
  while (begin.source + common < end.source && begin.target + common < end.target &&
         source[end.source - 1 - common] == target[end.target - 1 - common]) {
    ++common;
  }
  for (; common > 0; --common) {
    matches.push_back({.source = end.source - common, .target = end.target - common});
  }
}

}  // namespace

std::vector<ListMatch> MatchLists(const List& source, const List& target) {
  std::vector<ListMatch> matches;
  ListMatch begin;
  for (const ListMatch& anchor : LongestAscending(OnceInBoth(source, target))) {
    MatchEnds(source, target, begin, anchor, matches);
    matches.push_back(anchor);
    begin = {.source = anchor.source + 1, .target = anchor.target + 1};
  }
  MatchEnds(source, target, begin, {.source = source.size(), .target = target.size()}, matches);
  return matches;
}

}  // namespace coterie::crdt
