// Updates that are split: every part is sound and small enough, and all of them merged say what the
// whole says: the same clocks, texts and deletions. The first byte decides how large a part may be.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "crdt/delete_set.h"
#include "crdt/merge.h"
#include "crdt/split.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"
#include "fuzz/input.h"

namespace coterie::fuzz {
namespace {

// What an update says, however its structs are cut and ordered.
struct Said {
  std::map<crdt::Client, std::uint64_t> clocks;  // How many there are, skips left out,
  std::map<crdt::Client, std::uint64_t> sums;    // and their sum.
  std::map<crdt::Client, std::string> texts;     // By clock, one behind the other.
  crdt::DeleteSet deleted;
  friend bool operator==(const Said&, const Said&) = default;
};

Said Read(std::string_view update) {
  Said said;
  crdt::UpdateReader reader(update);
  crdt::StructView view;
  while (reader.Next(view)) {
    if (view.content == crdt::ContentKind::kSkip) continue;
    const std::uint64_t length = view.length;
    said.clocks[view.id.client] += length;
    said.sums[view.id.client] += view.id.clock * length + length * (length - 1) / 2;
    if (view.content == crdt::ContentKind::kString) said.texts[view.id.client] += view.payload;
  }
  CHECK(reader.ok());
  said.deleted = crdt::DeleteSet::Decode(reader.rest());
  CHECK(reader.ok() && reader.rest().AtEnd());
  return said;
}

}  // namespace

void Run(std::string_view input) {
  if (input.empty()) return;
  const std::size_t size_max = crdt::kSplitBytesMin + static_cast<std::uint8_t>(input[0]);
  const std::string_view update = input.substr(1);
  const GrowthLimit limit(input);
  const crdt::SplitResult split = crdt::SplitUpdate(update, size_max);
  if (split.refused) {
    CheckRefusal(split.refused, update);
    CHECK(crdt::ValidateUpdate(update) || split.refused.reason == crdt::kStructTooLarge ||
          split.refused.reason == crdt::kTooManyClients);
    return;
  }
  CHECK(!split.parts.empty());
  for (const std::string& part : split.parts) {
    CHECK(!crdt::ValidateUpdate(part));
    CHECK(part.size() <= size_max);
  }
  const std::vector<std::string_view> parts(split.parts.begin(), split.parts.end());
  const crdt::MergeResult merged = crdt::MergeUpdates(parts);
  CHECK(!merged.malformed);
  CHECK(Read(merged.update) == Read(update));
}

}  // namespace coterie::fuzz
