#pragma once

// A Yjs content as JSON for people and scripts: one member for each root type. What kind a root is
// stands nowhere in a Yjs document; it is told by what is in it: letters make a text, XML nodes a
// string of XML, keys an object, anything else an array. Any thread.

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace coterie::cli {

// kDataLoss: `update` is no Yjs update of format V1.
absl::StatusOr<std::string> ContentAsJson(std::string_view update);

}  // namespace coterie::cli
