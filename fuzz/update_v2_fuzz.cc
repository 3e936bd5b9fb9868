// Updates of format V2: what is read is a sound update of V1, and small enough.

#include "base/check.h"
#include "crdt/update_v2.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  const std::size_t bytes_max = input.size() * 16 + 1024;
  const crdt::Transcoded made = crdt::TranscodeToV1(input, bytes_max);
  if (made.malformed) return CheckRefusal(made.malformed, input);
  CHECK(made.update.size() <= bytes_max);
  CHECK(!crdt::ValidateUpdate(made.update));
  const crdt::Transcoded again = crdt::TranscodeToV2(made.update);
  CHECK(!again.malformed);
  const crdt::Transcoded back = crdt::TranscodeToV1(again.update, bytes_max * 2);
  CHECK(back.update == made.update);
}

}  // namespace coterie::fuzz
