// Relative positions, as bytes and as JSON: what is read is what is written again.

#include "base/check.h"
#include "crdt/relative_position.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  crdt::RelativePosition position;
  if (const auto malformed = crdt::DecodeRelativePosition(input, position)) {
    CheckRefusal(malformed, input);
  } else {
    crdt::RelativePosition again;
    CHECK(!crdt::DecodeRelativePosition(crdt::EncodeRelativePosition(position), again));
    CHECK(again == position);
  }
  crdt::RelativePosition of_json;
  if (const auto malformed = crdt::RelativePositionFromJson(input, of_json)) {
    CheckRefusal(malformed, input);
  } else {
    crdt::RelativePosition again;
    CHECK(!crdt::RelativePositionFromJson(crdt::RelativePositionToJson(of_json), again));
    CHECK(again == of_json);
  }
}

}  // namespace coterie::fuzz
