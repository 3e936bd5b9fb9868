#pragma once

// Which names are fit to be shown, for users and documents. Pure functions, any thread.

#include <string_view>

namespace coterie::state {

// Why `name` is no fit name for a user or a document, as the end of a sentence; empty if it is fit:
// 1 to kNameBytesMax bytes of UTF-8, no control characters or line separators, no blank at an end.
std::string_view WhyUnfitName(std::string_view name);

}  // namespace coterie::state
