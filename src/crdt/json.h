#pragma once

// Whether a text is JSON, as JavaScript's JSON.parse has it. Every Yjs client calls that on the
// embeds and the formats of an update, and throws if it fails. Builds nothing; see js_value.h for
// what does. Pure function. Source: RFC 8259.

#include <string_view>

#include "crdt/lib0.h"

namespace coterie::crdt {

// How deep arrays and objects may nest, in JSON as in `any`.
inline constexpr int kJsonDepthMax = kAnyDepthMax;

// What is wrong with it, the offset counted from its start. Requires valid UTF-8.
Malformed CheckJson(std::string_view text);

}  // namespace coterie::crdt
