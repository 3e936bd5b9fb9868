#pragma once

// A Yjs content as JSON for people and scripts: one member for each root type. What kind a root is
// stands nowhere in a Yjs document; it is told by what is in it: letters make a text, XML nodes a
// string of XML, keys an object, anything else an array. Any thread.

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::cli {

// kDataLoss: `update` is no Yjs update of format V1.
absl::StatusOr<std::string> ContentAsJson(std::string_view update);

// The names of its roots. kDataLoss as above.
absl::StatusOr<std::vector<std::string>> RootsOf(std::string_view update);

// The other way: an update that makes such roots in an empty document, written by `client`, an id
// that nobody else has. A member that is a string becomes a text, objects and arrays within others
// become maps and arrays of Yjs, so that people can edit parts of them; XML stays a text.
// kInvalidArgument: no JSON, not an object of strings, arrays and objects, or a number that is too
// large for JavaScript's.
struct ImportedJson {
  std::string update;
  std::vector<std::string> left_out;  // Names of roots that are empty: nothing says such a one.
};
absl::StatusOr<ImportedJson> ContentFromJson(std::string_view json, std::uint64_t client);

}  // namespace coterie::cli
