// State vectors: what is read is what is written again.

#include "base/check.h"
#include "crdt/state_vector.h"
#include "fuzz/input.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  crdt::Lib0Reader reader(input);
  const crdt::StateVector vector = crdt::StateVector::Decode(reader);
  if (!reader.ok()) return CheckRefusal(reader.malformed(), input);
  const std::string bytes = vector.Encode();
  crdt::Lib0Reader again(bytes);
  CHECK(crdt::StateVector::Decode(again) == vector);
  CHECK(again.ok());
  CHECK(again.AtEnd());
}

}  // namespace coterie::fuzz
