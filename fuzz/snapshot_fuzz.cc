// Snapshots, in both formats: what is read is what is written again.

#include "base/check.h"
#include "crdt/snapshot.h"
#include "fuzz/input.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  for (const auto format : {crdt::WireFormat::kV1, crdt::WireFormat::kV2}) {
    crdt::Snapshot snapshot;
    if (const auto malformed = crdt::DecodeSnapshot(input, format, snapshot)) {
      CheckRefusal(malformed, input);
      continue;
    }
    crdt::Snapshot again;
    CHECK(!crdt::DecodeSnapshot(crdt::EncodeSnapshot(snapshot, format), format, again));
    CHECK(again == snapshot);
  }
}

}  // namespace coterie::fuzz
