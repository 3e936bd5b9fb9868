#pragma once

// What one editor says of itself: JSON that stock editors put into the pages of all others as it
// is. So the server makes it harmless before anybody gets it: colours are colours (as a style, any
// other text is a stylesheet of the attacker's), names hold no control characters and no marks that
// turn the writing direction, cursors have a bounded size. The member "coterie" is the server's
// own: it names the user that the session was opened by. Pure function.

#include <cstddef>
#include <string>
#include <string_view>

#include "crdt/lib0.h"

namespace coterie::yproto {

inline constexpr std::size_t kStateBytesMax = 16 << 10;
inline constexpr std::size_t kCursorBytesMax = 4 << 10;  // A larger one becomes null.
inline constexpr std::size_t kNameCodePointsMax = 64;
inline constexpr int kStateDepthMax = 32;
inline constexpr std::string_view kNoColor = "#808080";  // In place of what is none.

// `clean` gets the state as others may see it, stamped with `user`. Refused: what is no JSON
// object, too large, or nested too deeply.
crdt::Malformed CleanState(std::string_view json, std::string_view user, std::string& clean);

// #rgb to #rrggbbaa, rgb() and hsl() of plain numbers, or one word.
bool IsColor(std::string_view text);

// `text` as a string of JSON, in quotes.
std::string QuoteJson(std::string_view text);

}  // namespace coterie::yproto
