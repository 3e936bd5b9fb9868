#pragma once

// What all fuzz targets share: how they are called, and what they demand besides not crashing. One
// thread; libFuzzer calls.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "crdt/lib0.h"

namespace coterie::fuzz {

// While it lives, the program's memory may grow by at most 64 times the input and a little more;
// CHECKed at each end of a scope.
class GrowthLimit {
 public:
  explicit GrowthLimit(std::string_view input);
  ~GrowthLimit();
  GrowthLimit(const GrowthLimit&) = delete;
  GrowthLimit& operator=(const GrowthLimit&) = delete;

 private:
  std::size_t before_bytes_;
  std::size_t allowed_bytes_;
};

// A refusal names a reason, and an offset in the input.
void CheckRefusal(const crdt::Malformed& malformed, std::string_view input);

// Of a target that takes two pieces: the first is as long as the first two bytes, least significant
// first, say, if there are so many; the second is the rest.
std::pair<std::string_view, std::string_view> TwoOf(std::string_view input);

// One call of the target; defined by each *_fuzz.cc.
void Run(std::string_view input);

}  // namespace coterie::fuzz
