#pragma once

// The names that mean something to a model when they stand in a prompt: its control tokens, and
// where its chat template begins and ends a message. A text that is data must not have them, or it
// could end its own message and begin another one's. Immutable; any thread.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coterie::llm {

class Marks {
 public:
  Marks() = default;
  // Those of a single character are left out: they cannot be broken.
  explicit Marks(const std::vector<std::string>& marks);

  // A space behind the first character of each: "</s>" becomes "< /s>". So is a NUL replaced, which
  // would end the text for whoever reads it as a string of C. Linear in the text.
  std::string Broken(std::string_view text) const;

 private:
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> next;
    std::uint8_t first_bytes =
        0;  // Of the mark that ends here, its first character; 0 = none does.
  };
  // Of the mark that begins here, the bytes of its first character; 0 = none does.
  std::size_t MarkAt(std::string_view text) const;
  // One pass; false: there was no mark.
  bool BreakOnce(std::string_view text, std::string& broken) const;

  std::vector<Node> nodes_;                 // A trie; the first is its root.
  std::array<std::uint32_t, 256> first_{};  // The root's children; 0 = none.
  bool has_spaces_ = false;
};

}  // namespace coterie::llm
