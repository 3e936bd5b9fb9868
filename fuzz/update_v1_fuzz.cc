// Updates of format V1: the gate, the view, and the algebra on bytes agree on what is malformed,
// and what they make of the rest is sound and comes to rest.

#include <array>
#include <string>

#include "base/check.h"
#include "crdt/merge.h"
#include "crdt/update_v2.h"
#include "crdt/update_view.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

void CheckSound(const std::string& update) { CHECK(!crdt::ValidateUpdate(update)); }

void CheckAlgebra(std::string_view input, const crdt::UpdateView& view) {
  const std::array<std::string_view, 2> twice = {input, input};
  const crdt::MergeResult merged = crdt::MergeUpdates(twice);
  CHECK(!merged.malformed);
  CheckSound(merged.update);
  const crdt::MergeResult squashed = crdt::SquashUpdate(input);
  CHECK(!squashed.malformed);
  CheckSound(squashed.update);
  CHECK(crdt::SquashUpdate(squashed.update).update == squashed.update);
  CheckSound(view.Diff(crdt::StateVector()));
  CheckSound(view.Diff(view.state_vector()));
}

}  // namespace

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  crdt::UpdateView view;
  const crdt::Malformed malformed = crdt::ValidateUpdate(input);
  const crdt::Malformed seen = crdt::UpdateView::Open(input, view);
  CHECK(static_cast<bool>(malformed) == static_cast<bool>(seen));
  const crdt::Transcoded columns = crdt::TranscodeToV2(input);
  CHECK(static_cast<bool>(malformed) == static_cast<bool>(columns.malformed));
  if (malformed) {
    CheckRefusal(malformed, input);
    CheckRefusal(seen, input);
    CheckRefusal(columns.malformed, input);
    return;
  }
  CheckAlgebra(input, view);
  const crdt::Transcoded back = crdt::TranscodeToV1(columns.update, input.size() * 16 + 1024);
  CHECK(!back.malformed);
  CheckSound(back.update);
}

}  // namespace coterie::fuzz
