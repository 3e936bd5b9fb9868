#pragma once

// Which names are fit to be shown, for users and documents. Pure functions, any thread.

#include <string>
#include <string_view>
#include <vector>

namespace coterie::state {

// Why `name` is no fit name for a user or a document, as the end of a sentence; empty if it is fit:
// 1 to kNameBytesMax bytes of UTF-8, no control characters or line separators, no blank at an end,
// and nothing that cannot be seen: marks that turn the writing direction, with which "gnp.exe" is
// shown as "exe.png", and characters without a shape, with which two names look alike. A joiner
// (U+200C, U+200D) may stand between characters beyond ASCII, where Persian and emoji need it.
std::string_view WhyUnfitName(std::string_view name);
// The same for a document's name, which does not look like its number, as "id:4", either.
std::string_view WhyUnfitDocumentName(std::string_view name);

// Who did something together, in one string: each name once, in the order of their first mention.
// One name alone is itself, and no fit name holds what stands between two.
std::string JoinNames(const std::vector<std::string>& names);
std::vector<std::string> SplitNames(std::string_view joined);

}  // namespace coterie::state
