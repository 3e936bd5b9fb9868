// The doctor, who reads what nobody else does: what he repaired is sound.

#include "base/check.h"
#include "crdt/doctor.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  const std::size_t bytes_max = input.size() * 4 + 1024;
  const crdt::Repaired repaired = crdt::Repair(input, bytes_max);
  for (const crdt::Finding& finding : repaired.report.findings) {
    CHECK(finding.offset_bytes <= input.size());
  }
  if (repaired.update.empty()) return;
  CHECK(!crdt::ValidateUpdate(repaired.update));
  CHECK(crdt::Subtract(repaired.update, repaired.update).structs.empty());
}

}  // namespace coterie::fuzz
