#include "llm/marks.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::llm {
namespace {

// The space that breaks one mark may complete another one, if that has a space in it.
constexpr int kPassesMax = 4;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

Marks::Marks(const std::vector<std::string>& marks) : nodes_(1) {
  for (const std::string& mark : marks) {
    std::size_t first = 1;
    while (first < mark.size() && first < 4 && IsContinuation(mark[first])) ++first;
    if (first >= mark.size()) continue;
    std::uint32_t at = 0;
    for (const char c : mark) {
      const auto found = std::find_if(nodes_[at].next.begin(), nodes_[at].next.end(),
                                      [c](const auto& child) { return child.first == c; });
      if (found != nodes_[at].next.end()) {
        at = found->second;
        continue;
      }
      const auto made = static_cast<std::uint32_t>(nodes_.size());
      nodes_[at].next.emplace_back(c, made);
      nodes_.emplace_back();
      at = made;
    }
    nodes_[at].first_bytes = static_cast<std::uint8_t>(first);
    has_spaces_ = has_spaces_ || mark.find(' ') != std::string::npos;
  }
  for (const auto& [c, child] : nodes_[0].next) first_[static_cast<unsigned char>(c)] = child;
}

std::size_t Marks::MarkAt(std::string_view text) const {
  std::uint32_t at = first_[static_cast<unsigned char>(text.front())];
  for (std::size_t i = 1; at != 0; ++i) {
    if (nodes_[at].first_bytes != 0) return nodes_[at].first_bytes;
    if (i == text.size()) return 0;
    const auto& next = nodes_[at].next;
    const auto found = std::find_if(next.begin(), next.end(),
                                    [&](const auto& child) { return child.first == text[i]; });
    at = found == next.end() ? 0 : found->second;
  }
  return 0;
}

// A mark that is whole in `broken` has no inserted space in it, unless it has spaces of its own; so
// it was whole in `text`, and was broken there.
bool Marks::BreakOnce(std::string_view text, std::string& broken) const {
  bool has_marks = false;
  while (!text.empty()) {
    const std::size_t first = MarkAt(text);
    if (first == 0) {
      broken += text.front() == '\0' ? ' ' : text.front();
      text.remove_prefix(1);
      continue;
    }
    has_marks = true;
    broken += text.substr(0, first);
    broken += ' ';
    text.remove_prefix(first);
  }
  return has_marks;
}

std::string Marks::Broken(std::string_view text) const {
  std::string broken;
  broken.reserve(text.size() + text.size() / 8);
  bool has_more = BreakOnce(text, broken) && has_spaces_;
  for (int pass = 1; has_more && pass < kPassesMax; ++pass) {
    std::string again;
    again.reserve(broken.size());
    has_more = BreakOnce(broken, again);
    broken = std::move(again);
  }
  return broken;
}

}  // namespace coterie::llm
