#pragma once

// Texts cut into pieces that are compared as a whole, coarse or fine. Where a text is cut depends
// on the bytes nearby: what two texts have in common is cut alike in both, wherever it stands. All
// cuts are between code points. Pure functions, any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace coterie::crdt {

enum class Grain : std::uint8_t {
  kChunks,     // Of 5 KiB on average, cut by the "gear" hash of Xia et al., "FastCDC" (2016).
  kLines,      // Each with its line feed.
  kFragments,  // As chunks, of 64 bytes on average: of what has few lines, or changes in all.
  kWords,      // And whatever is between them; of scripts without spaces, single code points.
};

// In order; all of the text. Nothing if there are more than `pieces_max`. Requires valid UTF-8.
std::optional<std::vector<std::string_view>> PiecesOf(std::string_view text, Grain grain,
                                                      std::size_t pieces_max);

}  // namespace coterie::crdt
