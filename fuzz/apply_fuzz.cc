// Documents that are given two updates of anybody, whole: they refuse them, keep them pending, or
// have them; they stay sound, and what they encode makes an equal document.
//
//   input := length of the first:u16 (little-endian) first second

#include <string>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

// An update that Apply refuses changes nothing; one that ValidateUpdate refuses, it refuses.
void ApplyTo(crdt::Doc& doc, std::string_view update) {
  const std::string before = doc.EncodeStateAsUpdate();
  const crdt::Malformed malformed = doc.Apply(update);
  if (crdt::ValidateUpdate(update)) CHECK(malformed);
  if (malformed) {
    CheckRefusal(malformed, update);
    CHECK(doc.EncodeStateAsUpdate() == before);
  }
  doc.CheckInvariantsDeep();
}

}  // namespace

void Run(std::string_view input) {
  if (input.size() < 2) return;
  const auto [first, second] = TwoOf(input);

  const GrowthLimit limit(input);
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  ApplyTo(doc, first);
  ApplyTo(doc, second);
  ApplyTo(doc, first);
  const std::string state = doc.EncodeStateAsUpdate();
  CHECK(!crdt::ValidateUpdate(state));
  crdt::Doc copy({.garbage = crdt::Garbage::kCollect});
  CHECK(!copy.Apply(state));
  // It may have more: what is parked for its origin is cut where the document's part of it ends,
  // and then follows that, in Yjs, too. Only a client that uses an id twice can bring that about.
  CHECK(copy.state_vector().Covers(doc.state_vector()));
}

}  // namespace coterie::fuzz
